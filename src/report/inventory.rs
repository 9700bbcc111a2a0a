//! The inventory of owned roles, for people and machines: one value, four formats.

use std::io::{self, Write};

use serde::Serialize;

use super::human::Medium;
use super::record::RecordField;
use super::sanitize::line;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::last_use::LastUse;

mod columns;
mod html;

pub use html::render as render_html;

/// The version of the JSON document.
const SCHEMA: &str = "irsa-gitops/roles/v1";

/// The owned roles of one cluster after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// When they were listed (RFC 3339).
    pub time: String,
    /// One for each cluster.
    pub clusters: Vec<ClusterRoles>,
}

/// The owned roles of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterRoles {
    /// Its name.
    pub name: String,
    /// The account.
    pub account: String,
    /// Its record, which is no ServiceAccount's role, if there is one.
    pub record: Option<RecordField>,
    /// The roles, by name.
    pub roles: Vec<OwnedRole>,
    /// What keeps pods from assuming any of them.
    #[serde(rename = "diagnostics", serialize_with = "super::json::findings")]
    pub findings: Vec<Diagnostic>,
}

/// One owned role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedRole {
    /// Its name.
    pub role: String,
    /// Its id.
    pub role_id: String,
    /// Whose it is.
    pub service_account: String,
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// For how many whole days it has been there.
    pub age_days: Option<i64>,
    /// The commit that created it.
    pub commit: Option<String>,
    /// The commit of the run that last wrote to it.
    pub last_commit: Option<String>,
    /// Repository and path of the manifest.
    pub source: Option<String>,
    /// Whether pods can assume it.
    pub state: RoleState,
    /// Since when it is quarantined (RFC 3339).
    pub quarantined_at: Option<String>,
    /// The commit of the run that quarantined it.
    pub quarantined_by: Option<String>,
    /// Until when it stays so (RFC 3339), and may then be deleted.
    pub quarantined_until: Option<String>,
    /// When it was last used.
    #[serde(flatten, serialize_with = "super::json::last_use::serialize")]
    pub last_use: LastUse,
    /// Policies and instance profiles that are attached to it.
    pub attached: Vec<String>,
    /// Whether EKS Pod Identity may assume it, too.
    pub pod_identity: bool,
}

/// Whether pods can assume a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleState {
    /// They can.
    Active,
    /// Nobody can.
    Quarantined,
}

impl RoleState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quarantined => "quarantined",
        }
    }
}

/// The headings of the columns.
const COLUMNS: [&str; 8] = [
    "ServiceAccount",
    "role",
    "state",
    "created",
    "commit",
    "last used",
    "attached",
    "source",
];

impl Inventory {
    /// Completes the commands in it; each is about the cluster that is named beside it.
    pub fn complete(&mut self, complete: &dyn Fn(&str, &str) -> String) {
        for cluster in &mut self.clusters {
            let hints = cluster.findings.iter_mut().map(|found| &mut found.hint);
            for hint in hints.flatten() {
                *hint = complete(hint, &cluster.name);
            }
        }
    }

    /// Whether pods are kept from assuming the roles of a cluster.
    pub fn has_errors(&self) -> bool {
        let mut found = self.clusters.iter().flat_map(|cluster| &cluster.findings);
        found.any(|finding| finding.severity == Severity::Error)
    }
}

impl ClusterRoles {
    /// What the record says, for people; not yet safe to show.
    fn applied(&self) -> Option<String> {
        let applied = self.record.iter().flat_map(|record| &record.applied);
        let words: Vec<String> = applied.map(|applied| applied.in_words()).collect();
        (!words.is_empty()).then(|| format!("applied last: {}", words.join("; ")))
    }

    /// How many roles there are of which kind.
    fn totals(&self) -> String {
        let count = |is_such: &dyn Fn(&OwnedRole) -> bool| {
            let roles = self.roles.iter();
            roles.filter(|role| is_such(role)).count()
        };
        let kinds = [
            (count(&|role| role.state == RoleState::Active), "active"),
            (
                count(&|role| role.state == RoleState::Quarantined),
                "quarantined",
            ),
            (count(&|role| role.last_use == LastUse::Never), "never used"),
            (
                count(&|role| role.last_use == LastUse::NotRemembered),
                "not used in 400 days",
            ),
            (
                count(&|role| role.last_use == LastUse::Unknown),
                "of unknown use",
            ),
            (
                count(&|role| role.attached.is_empty()),
                "with nothing attached",
            ),
        ];
        let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = kinds
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let total = super::counts::plural(self.roles.len(), "owned role");
        match words.is_empty() {
            true => total,
            false => format!("{total}: {}", words.join(", ")),
        }
    }
}

impl OwnedRole {
    fn cells(&self) -> [String; 8] {
        let text = |text: &Option<String>| line(text.as_deref().unwrap_or("-")).into_owned();
        let attached = if self.attached.is_empty() {
            "-".to_owned()
        } else {
            self.attached.join(", ")
        };
        [
            line(&self.service_account).into_owned(),
            line(&self.role).into_owned(),
            self.state_in_words(),
            self.created_in_words(),
            text(&short(self.commit.as_deref())),
            self.last_use.in_a_column(day),
            line(&attached).into_owned(),
            text(&self.source),
        ]
    }

    fn state_in_words(&self) -> String {
        let state = self.state.as_str();
        let by = short(self.quarantined_by.as_deref());
        let by = by.map_or(String::new(), |by| format!(" by {}", line(&by)));
        match &self.quarantined_until {
            Some(until) => format!("{state} until {}{by}", day(until)),
            None if self.pod_identity => format!("{state}, with EKS Pod Identity"),
            None => format!("{state}{by}"),
        }
    }

    fn created_in_words(&self) -> String {
        match (&self.created, self.age_days) {
            (Some(created), Some(days)) => {
                let age = super::counts::plural(days.unsigned_abs() as usize, "day");
                format!("{} ({age})", day(created))
            }
            (Some(created), None) => day(created),
            (None, _) => "-".to_owned(),
        }
    }
}

/// The digits of a commit that people read.
fn short(commit: Option<&str>) -> Option<String> {
    commit.map(|commit| commit.chars().take(12).collect())
}

/// The day of a time.
fn day(time: &str) -> String {
    let day = time.split_once('T').map_or(time, |(day, _)| day);
    line(day).into_owned()
}

/// Writes one line a role: what fits a terminal's width, or everything with tabs between the fields.
pub fn render_human(
    inventory: &Inventory,
    medium: Medium,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    for cluster in &inventory.clusters {
        let (name, account) = (line(&cluster.name), line(&cluster.account));
        let count = super::counts::plural(cluster.roles.len(), "owned role");
        match medium {
            Medium::Terminal => {
                writeln!(out, "{count} of cluster {name} in account {account}")?;
                if let Some(applied) = cluster.applied() {
                    writeln!(out, "{}", line(&applied))?;
                }
                columns::render(&cluster.roles, width, out)?;
            }
            Medium::Plain => {
                let applied = cluster.applied();
                let applied = applied.map_or(String::new(), |text| format!("; {}", line(&text)));
                writeln!(
                    out,
                    "{count} of cluster {name} in account {account}{applied}"
                )?;
                writeln!(out, "{}", COLUMNS.join("\t"))?;
                for role in &cluster.roles {
                    writeln!(out, "{}", role.cells().join("\t"))?;
                }
            }
        }
        for finding in &cluster.findings {
            super::human::plain_diagnostic(finding, out)?;
        }
    }
    Ok(())
}

/// Writes one JSON document.
pub fn render_json(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        #[serde(flatten)]
        inventory: &'a Inventory,
    }
    super::json::write(
        &Document {
            schema: SCHEMA,
            inventory,
        },
        out,
    )
}

/// Writes one Markdown table for each cluster.
pub fn render_markdown(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    for cluster in &inventory.clusters {
        let code = super::markdown::cell;
        writeln!(
            out,
            "### Roles of cluster {} in account {}: {}\n",
            code(&cluster.name),
            code(&cluster.account),
            cluster.roles.len()
        )?;
        if let Some(applied) = cluster.applied() {
            writeln!(out, "{}\n", code(&applied))?;
        }
        for finding in &cluster.findings {
            writeln!(out, "{}\n", code(&finding.in_words()))?;
        }
        writeln!(
            out,
            "| {} |\n|{}",
            COLUMNS.join(" | "),
            "---|".repeat(COLUMNS.len())
        )?;
        for role in &cluster.roles {
            let cells = role
                .cells()
                .map(|text| if text == "-" { text } else { code(&text) });
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
