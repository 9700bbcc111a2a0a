//! Roles that are read many at once are the same as roles that are read one by one.

use irsa_gitops::iam::sandbox::State;
use serde_json::json;

use crate::support::cli::{Cli, Run};
use crate::support::iam_server::{Fault, IamServer, roles};
use crate::support::repository::{Repository, accounts};

/// So many roles are read in bulk where that is allowed.
const MANY: usize = 25;

const BULK: &str = "GetAccountAuthorizationDetails";

struct Job {
    repository: Repository,
    server: IamServer,
}

impl Job {
    /// An account whose roles were applied, and of which some were changed since.
    fn new() -> Self {
        let job = Self {
            repository: accounts(MANY),
            server: IamServer::empty(),
        };
        job.run(&["apply"]).ends(0);
        job.server.state(|state: &mut State| {
            for (n, role) in (0_u32..).zip(roles(state)) {
                role.create_date = format!("202{}-01-02T03:04:05Z", n % 5);
                role.last_used = (n % 3 == 0).then(|| "2024-05-06T07:08:09Z".to_owned());
                role.max_session_duration = 3600 * (1 + n % 3);
                if n % 4 == 0 {
                    let boundary = "arn:aws:iam::123456789012:policy/edge".to_owned();
                    role.permissions_boundary = Some(boundary);
                }
                if n % 5 == 0 {
                    // Drift that every verb puts right.
                    role.trust_policy["Statement"][0]["Condition"] = json!({});
                }
            }
        });
        job
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let all = [arguments, &["--format", "json"]].concat();
        Cli::new(self.repository.path(), &all)
            .endpoint(&self.server.url)
            .run()
    }

    /// From here on the caller may read in bulk, or not, as the policies of `iam-policy` have it;
    /// a principal of one role shows as an id until roles are read by themselves.
    fn may_read_in_bulk(&self, may: bool) {
        const PRINCIPAL: &str = "/Statement/0/Principal";
        fn set(state: &mut State, principal: &str) {
            let role = roles(state).swap_remove(3);
            let of = role.trust_policy.pointer_mut(PRINCIPAL);
            of.expect("a principal")["AWS"] = principal.into();
        }
        self.server
            .state(|state| set(state, "AROAEXAMPLEEXAMPLEEX"));
        let resolved = Fault::Before(|state| set(state, "arn:aws:iam::123456789012:role/x"));
        let denied = (BULK, 0, Fault::Refused(403, "AccessDenied"));
        let script = vec![("GetRole", 1, resolved)];
        let script = [script, if may { vec![] } else { vec![denied] }].concat();
        self.server.script(script);
    }

    fn calls(&self, action: &str) -> usize {
        let calls = self.server.calls();
        calls.iter().filter(|call| call.starts_with(action)).count()
    }

    fn plan_file(&self) -> String {
        let file = self.repository.path().join("plan.json");
        file.to_string_lossy().into_owned()
    }
}

#[test]
fn a39_roles_tell_the_same_however_they_were_read() {
    let job = Job::new();
    let listing = |may: bool| {
        job.may_read_in_bulk(may);
        job.run(&["roles"]).ends(0).json()["clusters"].clone()
    };
    let in_bulk = listing(true);
    assert_eq!(job.calls(BULK), 1);
    assert!(job.calls("GetRole") < 5, "{:?}", job.server.calls());
    let one_by_one = listing(false);
    assert!(job.calls("GetRole") >= MANY);
    assert_eq!(in_bulk, one_by_one);
    let first = &in_bulk[0]["roles"][0];
    assert_eq!(first["created"], "2020-01-02T03:04:05Z");
    assert!(first["ageDays"].as_i64().is_some_and(|days| days < 5_000));
}

#[test]
fn a39_a_saved_plan_holds_whichever_calls_its_reader_may_make() {
    for (planner, applier) in [(true, false), (false, true)] {
        let job = Job::new();
        let plan = job.plan_file();
        job.may_read_in_bulk(planner);
        let planned = job.run(&["plan", "--full", "--out", &plan]);
        assert!(matches!(planned.code, 0 | 7), "{}", planned.stderr);
        assert_eq!(job.calls("GetRole") < 5, planner);
        job.may_read_in_bulk(applier);
        let applied = job.run(&["apply", "--full", "--plan", &plan]);
        assert_eq!(applied.code, planned.code, "{}", applied.stderr);
        let done = applied.changes();
        let done = done.iter().filter(|change| change.ends_with("update done"));
        assert!(done.count() >= 4, "{:?}", applied.changes());
    }
}

#[test]
fn a39_a_role_that_was_changed_since_is_still_held() {
    let job = Job::new();
    let plan = job.plan_file();
    job.may_read_in_bulk(true);
    job.run(&["plan", "--full", "--out", &plan]);
    job.server.state(|state: &mut State| {
        let other = json!({ "StringEquals": { "x:sub": "y" } });
        roles(state)[5].trust_policy["Statement"][0]["Condition"] = other;
    });
    job.may_read_in_bulk(false);
    let name = job.server.state(|state| roles(state)[5].name.clone());
    let applied = job.run(&["apply", "--full", "--plan", &plan]).ends(7);
    assert!(applied.changes().contains(&format!("{name} held")));
}
