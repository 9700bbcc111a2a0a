//! Commands that a message prints, so that they can be pasted.

use std::collections::BTreeMap;

/// How every command starts.
const PROGRAM: &str = "irsa-gitops ";

/// Ends a command that a message prints, and stands for the flags of the run that prints it. Whoever
/// knows them puts them there: [`Flags::complete`].
pub const REST: &str = " …";

/// A command of this program that a message prints, not yet with the flags of the run.
pub fn command(verb: &str) -> String {
    format!("{PROGRAM}{verb}{REST}")
}

/// A word as a shell takes it.
pub fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Which repository, cluster and IAM a run is about, as the arguments of each verb that takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(BTreeMap<String, Vec<Argument>>);

/// An argument that a run was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its flag.
    pub flag: String,
    /// Its value, if it has one.
    pub value: Option<String>,
}

impl Flags {
    /// Adds what a verb takes of them.
    pub fn add(&mut self, verb: &str, arguments: Vec<Argument>) {
        self.0.insert(verb.to_owned(), arguments);
    }

    /// A text with its commands completed: each ends with the flags of this run that it does not have
    /// yet, and is about one cluster, if one is given.
    pub fn complete(&self, text: &str, cluster: Option<&str>) -> String {
        let (mut done, mut left) = (String::new(), text);
        while let Some((before, after)) = left.split_once(REST) {
            let (said, command) = before.rsplit_once(PROGRAM).unwrap_or((before, ""));
            done.push_str(said);
            if !command.is_empty() {
                done.push_str(PROGRAM);
                done.push_str(&self.completed(command, cluster));
            }
            left = after;
        }
        done + left
    }

    fn completed(&self, command: &str, cluster: Option<&str>) -> String {
        const CLUSTER: &str = "--cluster-name";
        const ACCOUNT: &str = "--account";
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let given = self.0.get(&words[0]).map_or(&[][..], Vec::as_slice);
        let is_given = |flag: &str| given.iter().any(|argument| argument.is(flag));
        if let Some(at) = words.iter().position(|word| word == ACCOUNT)
            && is_given("--config")
        {
            // The file says whose account it is, and a flag could only contradict it.
            words.drain(at..(at + 2).min(words.len()));
        }
        let mut more = Vec::new();
        let named = cluster.map(|name| Argument {
            flag: CLUSTER.to_owned(),
            value: Some(name.to_owned()),
        });
        let others = given
            .iter()
            .filter(|argument| cluster.is_none() || !argument.is(CLUSTER));
        for argument in named.iter().chain(others) {
            if !words.contains(&argument.flag) {
                more.push(argument.flag.clone());
                more.extend(argument.value.as_deref().map(quoted));
            }
        }
        words.extend(more);
        words.join(" ")
    }
}

impl Argument {
    fn is(&self, flag: &str) -> bool {
        self.flag == flag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Flags {
        let argument = |flag: &str, value: &str| Argument {
            flag: flag.to_owned(),
            value: Some(value.to_owned()),
        };
        let cluster = [
            argument("--config", "it's.yaml"),
            argument("--cluster-name", "*"),
        ];
        let mut flags = Flags::default();
        flags.add("iam-policy", cluster.to_vec());
        for verb in ["plan", "adopt"] {
            let repository = vec![argument("--repo", "apps")];
            flags.add(verb, [repository, cluster.to_vec()].concat());
        }
        flags
    }

    #[test]
    fn i55_a_word_is_one_word_to_a_shell() {
        for (text, word) in [
            ("a/b.c_d-e+f=g:h,i@j%k", "a/b.c_d-e+f=g:h,i@j%k"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x)`y`;z", "'$(x)`y`;z'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }

    #[test]
    fn i55_a_command_is_completed_with_the_flags_of_the_run() {
        let config = r"--config 'it'\''s.yaml'";
        for (text, completed) in [
            (
                "take it over: irsa-gitops adopt a …; if not, rename it",
                format!(
                    "take it over: irsa-gitops adopt a --cluster-name blue --repo apps {config}; if not, rename it"
                ),
            ),
            (
                "irsa-gitops plan …, or irsa-gitops plan --repo root …",
                format!(
                    "irsa-gitops plan --cluster-name blue --repo apps {config}, or irsa-gitops plan --repo root --cluster-name blue {config}"
                ),
            ),
            (
                "irsa-gitops plan --mode sync …",
                format!("irsa-gitops plan --mode sync --cluster-name blue --repo apps {config}"),
            ),
            (
                "irsa-gitops adopt a --repo b --cluster-name c … prints",
                format!("irsa-gitops adopt a --repo b --cluster-name c {config} prints"),
            ),
            (
                "irsa-gitops iam-policy --account 1 --for plan …",
                format!("irsa-gitops iam-policy --for plan --cluster-name blue {config}"),
            ),
            (
                "irsa-gitops adopt ROLE",
                "irsa-gitops adopt ROLE".to_owned(),
            ),
        ] {
            assert_eq!(flags().complete(text, Some("blue")), completed);
        }
        let all = flags().complete("irsa-gitops iam-policy …", None);
        assert_eq!(
            all,
            format!("irsa-gitops iam-policy {config} --cluster-name '*'")
        );
        let none = Flags::default().complete("irsa-gitops adopt a …", None);
        assert_eq!(none, "irsa-gitops adopt a");
    }
}
