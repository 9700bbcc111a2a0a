//! What one document of thirty megabytes costs in memory, and what becomes of it.
//!
//! The peak is read while the program runs, so it may be seen too low, never too high.

use crate::support::cli::{Cli, not_run};
use crate::support::repository::service_account;
use crate::support::world::World;

const KEY: &str = "security.kaluza.com/iam-role-managed";
const SIZE: usize = 30_000_000;
/// What such a document may take, in KiB.
const MOST: u64 = 256 * 1024;

/// Looks through the files; returns the exit code, what was printed and the peak in KiB.
fn lint(world: &World) -> (i32, String, u64) {
    let arguments = ["lint", "--format", "json"];
    let mut child = Cli::new(world.repository.path(), &arguments).start();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("it is a child").is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        peak = number.and_then(|n| n.parse().ok()).unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    if peak == 0 {
        not_run("no peak of memory can be read here");
    }
    let output = child.wait_with_output().expect("it has ended");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), text, peak)
}

fn repeated(start: &str, part: &str, end: &str) -> String {
    format!("{start}{}{end}", part.repeat(SIZE / part.len()))
}

/// A repository with one file, and a ServiceAccount that has nothing wrong with it.
fn with(name: &str, text: impl AsRef<[u8]>) -> World {
    let world = World::new(&["a"]);
    world.repository.write(name, text);
    world.repository.commit("large");
    world
}

#[test]
fn p15_a_document_too_large_for_memory_is_refused_with_its_file() {
    for (name, text) in [
        ("list.yaml", repeated(&format!("# {KEY}\n"), "- 1\n", "")),
        (
            "array.json",
            repeated(&format!("{{\"{KEY}\":["), "1,", "1]}"),
        ),
    ] {
        let (code, text, peak) = lint(&with(name, text));
        assert_eq!(code, 4, "{name}: {text}");
        assert!(text.contains("limit-exceeded"), "{name}: {text}");
        assert!(text.contains(name) && text.contains("--path"), "{text}");
        assert!(peak <= MOST, "{name}: {peak} KiB");
    }
}

#[test]
fn p15_the_limit_holds_for_every_shape_of_a_document() {
    let world = World::new(&["a"]);
    let shapes = [
        ("flow.yaml", format!("# {KEY}\na: ["), "{},\n", "]\n"),
        ("same.yaml", format!("# {KEY}\n"), "a: 1\n", ""),
        (
            "same.json",
            format!("{{\"{KEY}\":{{"),
            "\"a\":1,",
            "\"b\":1}}",
        ),
        ("deep.json", format!("{{\"{KEY}\":["), "[[[]]],", "1]}"),
    ];
    for (name, start, part, end) in &shapes {
        let text = format!("{start}{}{end}", part.repeat(600_000));
        world.repository.write(name, text);
    }
    world.repository.commit("large");
    let (code, text, _) = lint(&world);
    assert_eq!(code, 4, "{text}");
    assert_eq!(
        text.matches("limit-exceeded").count(),
        shapes.len(),
        "{text}"
    );
}

#[test]
fn p16_a_list_of_a_hundred_thousand_ordinary_items_is_read() {
    let other = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"},\"data\":{\"a\":\"b\",\"c\":\"d\"}},";
    let ours = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{{\"name\":\"ours\",\"namespace\":\"bar\",\"annotations\":{{\"{KEY}\":\"perhaps\"}}}}}}"
    );
    let others = other.repeat(100_000);
    let list = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{others}{ours}]}}");
    let (code, text, peak) = lint(&with("list.json", list));
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("perhaps"), "its last item is found: {text}");
    assert!(!text.contains("limit-exceeded"), "{text}");
    assert!(peak <= MOST, "{peak} KiB");
}

#[test]
fn p16_what_cannot_be_ours_may_have_any_size() {
    let ours = service_account("bar", "b");
    // Of documents without a template in them only so many are looked at.
    let others = repeated("---\n", "- {{1: 2}: 3}\n", "");
    let lines = repeated(
        &format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  {KEY}: |\n"),
        "    a line of text, none of which is YAML\n",
        "",
    );
    for (name, text, fault) in [
        ("text.yaml", lines, None),
        (
            "beside.yaml",
            format!("{ours}{others}"),
            Some("a key is a mapping"),
        ),
    ] {
        let (_, text, peak) = lint(&with(name, text));
        assert!(!text.contains("limit-exceeded"), "{name}: {text}");
        assert!(
            fault.is_none_or(|fault| text.contains(fault)),
            "{name}: {text}"
        );
        assert!(peak <= MOST, "{name}: {peak} KiB");
    }
}
