//! The question before the first write, where somebody is there to answer it.

use std::io;
use std::thread;

use tokio::sync::oneshot;

use super::console::Console;
use crate::report::Report;
use crate::report::human;

/// The answers that agree. Whatever else comes, or nothing, does not.
const YES: [&str; 2] = ["yes", "y"];

/// Shows what is about to be written, asks, and waits for the answer.
pub(crate) async fn agreed(report: Report, console: &Console) -> bool {
    let entries = report.clusters.iter().flat_map(|section| &section.entries);
    let changes = match entries.filter(|entry| entry.change.writes()).count() {
        1 => "this change".to_owned(),
        count => format!("these {count} changes"),
    };
    let mut text = Vec::new();
    human::render(&report, console.medium(), &mut text).expect("a Vec takes all bytes");
    let question = format!("\nMake {changes}? Only `yes` or `y` writes. [yes/no] ");
    text.extend(question.into_bytes());
    console.print(&text).is_ok() && answer(console).await.is_some_and(|line| is_yes(&line))
}

/// A line of standard input. A thread of its own reads it: a signal ends the waiting, not the reading.
async fn answer(console: &Console) -> Option<String> {
    let (answer, answered) = oneshot::channel();
    let read = || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        // Fails only when nobody waits any more.
        let _ = answer.send(read.is_ok().then_some(line));
    };
    thread::Builder::new().spawn(read).ok()?;
    let line = answered.await.ok().flatten()?;
    if !line.ends_with('\n') {
        // The cursor still stands behind the question.
        let _ = console.print(b"\n");
    }
    Some(line)
}

fn is_yes(line: &str) -> bool {
    YES.contains(&line.trim())
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn i80_only_yes_agrees() {
        for line in ["yes\n", "y\n", " yes \r\n", "yes"] {
            assert!(is_yes(line), "{line:?}");
        }
        for line in [
            "",
            "\n",
            "no\n",
            "n\n",
            "yes please\n",
            "yy\n",
            "ye\n",
            "ja\n",
            "1\n",
        ] {
            assert!(!is_yes(line), "{line:?}");
        }
    }
}
