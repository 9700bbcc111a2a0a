//! Columns on a terminal: one line a role, whatever its width. What matters most comes first, and what
//! does not fit any more is left out whole; the other formats have everything.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Colour};

use super::{OwnedRole, RoleState, day, short};
use crate::model::last_use::LastUse;
use crate::report::sanitize::line;

/// What is between two columns.
const GAP: usize = 2;

/// The fewest characters of a ServiceAccount that are shown.
const LEAST: usize = 12;

/// A column: its heading, what it says of a role, and how much it matters.
struct Column {
    heading: &'static str,
    text: fn(&OwnedRole) -> String,
    rank: usize,
}

/// In the order in which they stand.
const ALL: [Column; 8] = [
    Column {
        heading: "SERVICEACCOUNT",
        text: |role| line(&role.service_account).into_owned(),
        rank: 0,
    },
    Column {
        heading: "ROLE",
        text: |role| line(&role.role).into_owned(),
        rank: 7,
    },
    Column {
        heading: "STATE",
        text: state,
        rank: 1,
    },
    Column {
        heading: "BY",
        text: |role| known(short(role.quarantined_by.as_deref())),
        rank: 5,
    },
    Column {
        heading: "LAST USED",
        text: |role| role.last_use.in_a_column(day),
        rank: 2,
    },
    Column {
        heading: "ATTACHED",
        text: |role| role.attached.len().to_string(),
        rank: 3,
    },
    Column {
        heading: "AGE",
        text: |role| known(role.age_days.map(|days| format!("{days}d"))),
        rank: 4,
    },
    Column {
        heading: "COMMIT",
        text: |role| known(short(role.commit.as_deref())),
        rank: 6,
    },
];

fn known(text: Option<String>) -> String {
    text.map_or("-".to_owned(), |text| line(&text).into_owned())
}

fn state(role: &OwnedRole) -> String {
    match (&role.quarantined_until, role.state) {
        (Some(until), _) => format!("quarantined until {}", day(until)),
        (None, RoleState::Active) if role.pod_identity => "active, pod identity".to_owned(),
        (None, state) => state.as_str().to_owned(),
    }
}

/// Writes a header and a line for each role.
pub(super) fn render(roles: &[OwnedRole], width: usize, out: &mut dyn Write) -> io::Result<()> {
    if roles.is_empty() {
        return Ok(());
    }
    let widest = |column: &Column| {
        let cells = roles.iter().map(|role| (column.text)(role).chars().count());
        let cells = cells.chain([column.heading.len()]);
        cells.max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = ALL.iter().map(widest).collect();
    let is_empty = |column: &Column| roles.iter().all(|role| (column.text)(role) == "-");
    let mut shown = ALL.each_ref().map(|column| !is_empty(column));
    shrink(&mut shown, &mut widths, width);
    let lines = |texts: Vec<String>| {
        let cells = texts.into_iter().enumerate();
        let cells = cells.filter(|(index, _)| shown[*index]);
        let cells = cells.map(|(index, text)| {
            let text = cut(&text, widths[index]);
            let room = widths[index] - text.chars().count();
            format!("{text}{}", " ".repeat(room))
        });
        let cells: Vec<String> = cells.collect();
        cells.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    let bold = Colour::new().bold();
    let headings = ALL.iter().map(|column| column.heading.to_owned()).collect();
    writeln!(out, "{bold}{}{bold:#}", lines(headings))?;
    for role in roles {
        let colour = colour_of(role);
        let texts = ALL.iter().map(|column| (column.text)(role)).collect();
        writeln!(out, "{colour}{}{colour:#}", lines(texts))?;
    }
    Ok(())
}

/// Leaves out the columns that matter least until the whole name fits; to make room for some of it, also
/// those that matter; and then shortens the name.
fn shrink(shown: &mut [bool; ALL.len()], widths: &mut [usize], width: usize) {
    loop {
        let others = widths.iter().zip(&*shown).skip(1);
        let others: usize = others
            .filter(|(_, shown)| **shown)
            .map(|(w, _)| w + GAP)
            .sum();
        let room = width.saturating_sub(others);
        if room >= widths[0] {
            return;
        }
        let kept = if room < LEAST { 0 } else { 3 };
        let spare = (1..ALL.len()).filter(|index| shown[*index] && ALL[*index].rank > kept);
        match spare.max_by_key(|index| ALL[*index].rank) {
            Some(index) => shown[index] = false,
            None => {
                widths[0] = room.max(1);
                return;
            }
        }
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn colour_of(role: &OwnedRole) -> Colour {
    match role.state {
        RoleState::Quarantined => AnsiColor::Red.on_default(),
        RoleState::Active if matches!(role.last_use, LastUse::Never | LastUse::NotRemembered) => {
            AnsiColor::Yellow.on_default()
        }
        RoleState::Active => Colour::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, state: RoleState) -> OwnedRole {
        OwnedRole {
            role: format!("k8s-sa_{}", name.replace('/', "_")),
            role_id: "AROA".to_owned(),
            service_account: name.to_owned(),
            created: Some("2026-01-02T03:04:05Z".to_owned()),
            age_days: Some(512),
            commit: Some("a1b2".repeat(10)),
            last_commit: None,
            source: Some("https://github.com/acme/apps/apps/cart.yaml".to_owned()),
            state,
            quarantined_at: None,
            quarantined_by: (state == RoleState::Quarantined).then(|| "c3d4".repeat(10)),
            quarantined_until: (state == RoleState::Quarantined)
                .then(|| "2026-12-04T00:00:00Z".to_owned()),
            last_use: LastUse::Never,
            attached: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()],
            pod_identity: false,
        }
    }

    fn rendered(roles: &[OwnedRole], width: usize) -> Vec<String> {
        let mut out = Vec::new();
        render(roles, width, &mut out).expect("a Vec takes all bytes");
        let text =
            anstream::adapter::strip_str(std::str::from_utf8(&out).expect("text")).to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn i75_each_role_is_one_line_of_any_terminal() {
        let long = format!("{}/{}", "n".repeat(30), "s".repeat(27));
        let roles = [
            role("shop/cart", RoleState::Active),
            role(
                "payments-production/checkout-service",
                RoleState::Quarantined,
            ),
            role(&long, RoleState::Active),
        ];
        for width in [20, 40, 80, 100, 120, 200] {
            let lines = rendered(&roles, width);
            assert_eq!(lines.len(), 4, "{width}: {lines:#?}");
            for line in &lines {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
        let lines = rendered(&roles[..2], 80);
        assert!(lines[0].starts_with("SERVICEACCOUNT"), "{lines:#?}");
        assert!(
            lines[2].contains("quarantined until 2026-12-04"),
            "{lines:#?}"
        );
        let wide = rendered(&roles[..2], 200).join("\n");
        for fact in [
            "k8s-sa_shop_cart",
            "c3d4c3d4c3d4",
            "a1b2a1b2a1b2",
            "512d",
            "never",
        ] {
            assert!(wide.contains(fact), "{fact}: {wide}");
        }
    }
}
