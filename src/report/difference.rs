//! What differs between a role as it is and as it should be, in lines and in words.

use super::sanitize::line;
use crate::model::text::cut;
use crate::model::trust_policy::TrustDocument;
use crate::plan::Difference;

/// The most that is said of one trust policy in a line.
const LONGEST: usize = 500;

/// The lines of a trust policy with what becomes of each: `-`, `+` or a space.
pub(super) fn lines(current: &TrustDocument, desired: &TrustDocument) -> Vec<(char, String)> {
    let (before, after) = (current.pretty(), desired.pretty());
    let diff = similar::TextDiff::from_lines(&before, &after);
    let marked = diff.iter_all_changes().map(|change| {
        let mark = match change.tag() {
            similar::ChangeTag::Delete => '-',
            similar::ChangeTag::Insert => '+',
            similar::ChangeTag::Equal => ' ',
        };
        let text = line(change.value().trim_end_matches('\n')).into_owned();
        (mark, text)
    });
    marked.collect()
}

/// A difference in one line.
pub(super) fn in_words(difference: &Difference) -> String {
    match difference {
        Difference::TrustPolicy { current, desired } => {
            let changed = lines(current, desired)
                .into_iter()
                .filter(|(mark, _)| *mark != ' ')
                .map(|(mark, text)| format!("{mark} {}", text.trim()));
            let changed = changed.collect::<Vec<_>>().join(" ");
            format!("trust policy: {}", cut(&changed, LONGEST))
        }
        Difference::Tag {
            key,
            current,
            desired,
        } => {
            let before = current
                .as_ref()
                .map_or("nothing".to_owned(), |value| format!("`{}`", line(value)));
            format!("tag {}: {before} -> `{}`", line(key), line(desired))
        }
        Difference::SessionDuration { current, desired } => {
            let before = current.map_or("unknown".to_owned(), |seconds| format!("{seconds} s"));
            format!("session duration: {before} -> {} s", desired.as_seconds())
        }
    }
}
