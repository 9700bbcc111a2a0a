//! Flags that the help of a command leaves out.

/// What says of roles and manifests no more than a verb that reads neither needs.
const BESIDE_THE_POINT: [&str; 12] = [
    "audience",
    "tags",
    "pod_identity",
    "managed_annotation",
    "annotation_prefix",
    "compose_role_arn",
    "namespaces",
    "namespace_enforce",
    "ignore",
    "long_names",
    "substitute",
    "sandbox",
];

/// Takes the flags that change nothing out of the help of a verb: a job that sets their variables for
/// its neighbours may do so all the same.
pub(crate) fn without_effect(arg: clap::Arg, but: &[&str]) -> clap::Arg {
    let id = arg.get_id().as_str();
    let is_hidden = BESIDE_THE_POINT.contains(&id) && !but.contains(&id);
    arg.hide(is_hidden)
}
