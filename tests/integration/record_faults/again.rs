//! What becomes of the record more than once while a run is about to write it.

use super::{MEANWHILE, MOMENTS, applied, beside, of_that_commit};
use crate::support::cli::Cli;
use crate::support::iam_server::Fault;

#[test]
fn c50_what_becomes_of_the_record_after_a_race_counts_as_well() {
    // Somebody else wrote it, or deleted it.
    for (change, code) in [MEANWHILE[0], MEANWHILE[2]] {
        let (repository, server) = applied();
        let older = repository.head();
        let ours = repository.commit("ours");
        let tags = serde_json::json!([{ "key": "commit", "value": older }]);
        let theirs =
            serde_json::json!({ "name": "theirs", "id": "AROA1", "trustPolicy": {}, "tags": tags });
        let theirs = serde_json::from_value(theirs).expect("a role");
        server.state(|state| state.roles.push(theirs));
        server.script(vec![
            ("GetRole record", 3, Fault::Before(of_that_commit)),
            ("GetRole record", 4, Fault::Before(change)),
        ]);
        Cli::new(repository.path(), &["apply"])
            .endpoint(&server.url)
            .run()
            .ends(code);
        assert_ne!(server.recorded(), Some(ours));
        assert_eq!(server.role_writes(), Vec::<String>::new());
    }
}

#[test]
fn c50_a_newer_one_is_passed_by_nobody_who_accepts_rewritten_history() {
    for (world, moment) in MOMENTS {
        let accepts = ["--accept-history-rewrite"];
        let (run, server, ours) = beside(world, moment, "newer", &accepts);
        run.ends(9);
        assert_ne!(server.recorded(), Some(ours), "{moment:?}");
        assert_eq!(server.role_writes(), Vec::<String>::new());
    }
}
