//! What stands below the flags in the help of a command: examples, and how it can end.

use crate::exit::Exit;

/// What is set first, for commands about a cluster.
const CLUSTER: [&str; 2] = [
    "export IRSA_GITOPS_CLUSTER_NAME=prod",
    "export IRSA_GITOPS_OIDC_PROVIDER=oidc.eks.eu-west-1.amazonaws.com/id/1A2B",
];

/// The end of the help of a command: examples of its arguments, and its exit codes.
pub(crate) fn tail(command: &str, examples: &[&str]) -> String {
    let exits: Vec<Exit> = Exit::ALL.into_iter().filter(can_end(command)).collect();
    let exits = Exit::list(&exits);
    if examples.is_empty() {
        return exits;
    }
    let is_offline = ["lint", "diff"].contains(&command);
    let cluster = CLUSTER.iter().filter(|_| !is_offline);
    let cluster = cluster.map(|line| format!("\n  {line}"));
    let run = |arguments: &&str| format!("\n  irsa-gitops {command}{arguments}");
    let lines: String = cluster.chain(examples.iter().map(run)).collect();
    format!("Examples:{lines}\n\n{exits}")
}

/// Which codes a command can end with.
fn can_end(command: &str) -> impl Fn(&Exit) -> bool {
    let only_prints = ["iam-policy", "completions", "man"].contains(&command);
    let writes = ["apply", "adopt", "retire"].contains(&command);
    let plans = writes || command == "plan";
    let reads_manifests = plans || ["lint", "diff", "explain"].contains(&command);
    let compares = ["plan", "diff"].contains(&command);
    move |exit| match exit {
        Exit::Success | Exit::Bug | Exit::Usage | Exit::Unavailable => true,
        Exit::Incomplete => !only_prints,
        Exit::InputRejected => reads_manifests,
        Exit::ChangesPending => compares,
        Exit::Refused | Exit::Superseded | Exit::Interrupted | Exit::Terminated => plans,
        Exit::OutcomeUnknown => writes,
    }
}
