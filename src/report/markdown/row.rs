//! What becomes of one role, in a row of a table and in what is folded.

use super::Page;
use super::text::{LONGEST_STRING, block, code, codes, link, short_cell};
use crate::apply::Outcome;
use crate::model::history::CommitInfo;
use crate::model::text::cut;
use crate::plan::{Action, Difference, Reason, Undeclared};
use crate::report::place::Place;
use crate::report::sanitize::html;
use crate::report::{Entry, Inspected, Section, action_word, difference, outcome_word};

impl Page<'_> {
    pub(super) fn row(&self, section: &Section, entry: &Entry) -> String {
        let change = &entry.change;
        let mut what = action_word(&change.action).to_owned();
        if let Some(outcome) = &entry.outcome {
            what = format!("{what}: {}", outcome_word(outcome));
        }
        let place = Place::of(entry);
        let is_gone = matches!(
            change.action,
            Action::Orphan | Action::Quarantine(_) | Action::Delete(_)
        );
        let place = place.map_or(String::new(), |place| {
            // No commit that is known here surely has what another one removed.
            let shown = match is_gone {
                true => code(&place.to_string()),
                false => self.linked(&place),
            };
            format!("<br>{}", shown.replace('|', "\\|"))
        });
        let mut why = self.why(section, entry);
        if let Some(Outcome::Failed(failure) | Outcome::Unknown(failure)) = &entry.outcome {
            why.push_str(&format!("; {}", short_cell(&failure.message)));
            if let Some(hint) = &failure.hint {
                why.push_str(&format!("; hint: {}", short_cell(hint)));
            }
        }
        format!(
            "| {what} | {}{place} | {} | {why} |\n",
            short_cell(&change.service_account.to_string()),
            short_cell(change.role.as_str()),
        )
    }

    /// A place with a link to it.
    pub(super) fn linked(&self, place: &Place) -> String {
        let shown = code(&place.to_string());
        let (Some(web), Some(commit)) = (&self.web, &self.report.commit) else {
            return shown;
        };
        let within = place.within_repository();
        let within = within.filter(|place| place.line_and_column.is_some());
        let page = within.map(|place| {
            let line = place.line_and_column.map(|(line, _)| line);
            web.file(commit, &place.path, line)
        });
        link(&shown, page)
    }

    fn why(&self, section: &Section, entry: &Entry) -> String {
        let mut why = match (&entry.change.action, &entry.change.reason) {
            (
                _,
                Reason::Removed {
                    undeclared,
                    commit,
                    last_use,
                    attached,
                    ..
                },
            ) => {
                let mut why = self.removed(*undeclared, commit);
                if section.inspected(entry).is_none() {
                    why.push_str(&format!("; {}", last_use.in_words(short_cell)));
                }
                if !attached.is_empty() {
                    let names = codes(attached.iter().map(String::as_str)).join(", ");
                    why.push_str(&format!("; not deleted while this is attached: {names}"));
                }
                why
            }
            (Action::Create(role), Reason::Absent | Reason::NewlyDeclared) => {
                let guests = difference::guests(&role.trust_policy);
                let guests: Vec<String> = guests
                    .iter()
                    .map(|guest| {
                        let audience = guest
                            .audience
                            .as_deref()
                            .map_or("any audience".to_owned(), |audience| {
                                format!("audience {}", short_cell(audience))
                            });
                        format!(
                            "lets in {} of {} with {audience}",
                            short_cell(&guest.subject),
                            short_cell(&guest.issuer)
                        )
                    })
                    .collect();
                match guests.is_empty() {
                    true => short_cell(&entry.why()),
                    false if entry.outcome == Some(Outcome::Done) => {
                        format!("made: {}", guests.join("; "))
                    }
                    false => guests.join("; "),
                }
            }
            _ => short_cell(&entry.why()),
        };
        if let Some(old) = section.replaced_by(entry) {
            why.push_str(&format!(
                "; takes the place of {}: a new role, with none of the policies of the old one",
                short_cell(old.as_str())
            ));
        }
        if let Some(inspected) = section.inspected(entry) {
            why.push_str(&format!("; {}", of_inspected(inspected)));
        }
        why
    }

    fn removed(&self, undeclared: Undeclared, commit: &CommitInfo) -> String {
        let done = match undeclared {
            Undeclared::Gone => "removed",
            Undeclared::Unmanaged => "un-managed",
        };
        let page = self.web.as_ref().map(|web| web.commit(&commit.id));
        let own = link(&code(commit.id.short()), page);
        let whose = match &commit.source {
            None => format!("{own} of {}", short_cell(&commit.author)),
            Some(source) => format!("{}, rendered as {own}", code(&source.to_string())),
        };
        format!(
            "{done} by commit {whose} ({}): {}",
            short_cell(&commit.date),
            short_cell(&commit.subject)
        )
    }
}

fn of_inspected(inspected: &Inspected) -> String {
    let used = inspected.last_use.in_words(short_cell);
    let attached = match inspected.attached.as_deref() {
        None => "unknown".to_owned(),
        Some([]) => "nothing".to_owned(),
        Some(names) => codes(names.iter().map(String::as_str)).join(", "),
    };
    format!("{used}; attached: {attached}")
}

/// What differs, the lines of a trust policy among it.
pub(super) fn folded(entry: &Entry) -> String {
    let mut lines = Vec::new();
    for difference in entry.differences() {
        match difference {
            Difference::TrustPolicy { current, desired } => {
                let changed = difference::lines(current, desired).into_iter();
                lines.extend(changed.map(|(mark, text)| format!("{mark} {text}")));
            }
            Difference::Tag { .. } | Difference::SessionDuration { .. } => {
                lines.push(format!("! {}", difference::in_words(difference)));
            }
        }
    }
    let shown = lines.iter().map(|text| cut(text, LONGEST_STRING) + "\n");
    let block = block(&shown.collect::<String>());
    // No Markdown is read inside of `<summary>`.
    let role = html(entry.change.role.as_str());
    format!(
        "\n<details><summary>What differs in <code>{role}</code></summary>\n\n{block}\n</details>\n"
    )
}
