//! Flags beside a `--config` file: they select some of its clusters, fill in what it leaves out, and
//! never contradict it. A flag that had no effect would let a run write where nobody meant it to.

use std::collections::BTreeSet;

use super::{ClusterInput, ConfigFile, Error};
use crate::model::cluster::Issuer;
use crate::model::text::closest;

/// The clusters that flags and a configuration file describe together; `names` are the values of
/// `--cluster-name`, names or, beside a file, patterns with `*` and `?`.
///
/// # Errors
///
/// [`Error::NoSuchCluster`], [`Error::Contradiction`] or, without a file, [`Error::OneCluster`].
pub fn clusters(
    file: Option<ConfigFile>,
    names: &[String],
    flags: &ClusterInput,
) -> Result<Vec<ClusterInput>, Error> {
    let Some(file) = file else {
        let [first, others @ ..] = names else {
            return Ok(vec![flags.clone()]);
        };
        if others.iter().any(|other| other != first) {
            return Err(Error::OneCluster {
                flag: "--cluster-name".to_owned(),
                names: names.to_vec(),
            });
        }
        let name = Some(first.clone());
        let flags = flags.clone();
        return Ok(vec![ClusterInput { name, ..flags }]);
    };
    let selected = select(file, names)?;
    let filled = selected.into_iter().map(|cluster| cluster.or(flags));
    filled.collect()
}

/// The clusters of a file that have one of some names; all of them if there are no names. One name
/// that no cluster has is that of the entries which leave their name to the flags.
fn select(file: ConfigFile, names: &[String]) -> Result<Vec<ClusterInput>, Error> {
    let ConfigFile { place, clusters } = file;
    let is_named = |cluster: &ClusterInput, wanted: &String| {
        let name = cluster.name.as_deref();
        name.is_some_and(|name| matches(wanted.as_bytes(), name.as_bytes()))
    };
    let unknown = names
        .iter()
        .find(|wanted| !clusters.iter().any(|cluster| is_named(cluster, wanted)));
    let is_pattern = |name: &str| name.contains(['*', '?']);
    let mut clusters = clusters;
    match (names, unknown) {
        ([], _) => {}
        (_, None) => clusters.retain(|cluster| names.iter().any(|name| is_named(cluster, name))),
        ([name], _) if !is_pattern(name) && clusters.iter().any(|c| c.name.is_none()) => {
            clusters.retain(|cluster| cluster.name.is_none());
            for cluster in &mut clusters {
                cluster.name = Some(name.clone());
            }
        }
        (_, Some(unknown)) => {
            let known = clusters.into_iter().filter_map(|cluster| cluster.name);
            let known: Vec<String> = known.collect();
            return Err(Error::NoSuchCluster {
                flag: "--cluster-name".to_owned(),
                place,
                like: closest(unknown, known.iter().map(String::as_str)).map(str::to_owned),
                name: unknown.clone(),
                known,
            });
        }
    }
    Ok(clusters)
}

/// Whether a name fits a pattern, in which `*` stands for any text and `?` for one character.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // The last `*`, and up to where it stands for the name's text.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, until)) = star else {
                    return false;
                };
                star = Some((at, until + 1));
                (p, n) = (at + 1, until + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

impl ClusterInput {
    /// Fills what a file leaves out from the flags.
    ///
    /// # Errors
    ///
    /// [`Error::Contradiction`] if a flag says otherwise than the file.
    fn or(self, flags: &Self) -> Result<Self, Error> {
        let place = self.place.clone().unwrap_or_default();
        let contradiction = |flag: &str, given: String, written: String| Error::Contradiction {
            flag: flag.to_owned(),
            given,
            place: place.clone(),
            written,
        };
        let text = |flag, own: Option<String>, given: &Option<String>| match (own, given) {
            (Some(own), Some(given)) if own != *given => {
                Err(contradiction(flag, given.clone(), own))
            }
            (own, given) => Ok(own.or_else(|| given.clone())),
        };
        type Meaning = fn(&ClusterInput) -> BTreeSet<String>;
        let list = |flag, of: fn(&Self) -> &Vec<String>, meaning: Meaning| {
            let (own, given) = (of(&self), of(flags));
            if !own.is_empty() && !given.is_empty() && meaning(&self) != meaning(flags) {
                return Err(contradiction(flag, given.join(","), own.join(",")));
            }
            Ok(if own.is_empty() { given } else { own }.clone())
        };
        let duration = |seconds: Option<u32>| seconds.map(|seconds| seconds.to_string());
        text(
            "--max-session-duration",
            duration(self.max_session_duration),
            &duration(flags.max_session_duration),
        )?;
        let whether = |yes: Option<bool>| yes.map(|yes| yes.to_string());
        text(
            "--compose-role-arn",
            whether(self.compose_role_arn),
            &whether(flags.compose_role_arn),
        )?;
        text(
            "--namespace-enforce",
            whether(self.namespace_enforce),
            &whether(flags.namespace_enforce),
        )?;
        Ok(Self {
            paths: list(
                "--path",
                |i| &i.paths,
                |i| i.scope().iter().map(ToString::to_string).collect(),
            )?,
            oidc_providers: list(
                "--oidc-provider",
                |i| &i.oidc_providers,
                |i| i.oidc_providers.iter().map(|text| issuer(text)).collect(),
            )?,
            tags: list("--tag", |i| &i.tags, |i| i.tags.iter().cloned().collect())?,
            substitute: list(
                "--substitute",
                |i| &i.substitute,
                |i| i.substitute.iter().cloned().collect(),
            )?,
            namespaces: list(
                "--namespace-from",
                |i| &i.namespaces,
                // The first that matches counts, so their order does, too.
                |i| {
                    let numbered = i.namespaces.iter().enumerate();
                    numbered.map(|(n, rule)| format!("{n} {rule}")).collect()
                },
            )?,
            ignore: list(
                "--exclude",
                |i| &i.ignore,
                // The last that matches counts, so their order does, too.
                |i| {
                    let numbered = i.ignore.iter().enumerate();
                    numbered.map(|(n, rule)| format!("{n} {rule}")).collect()
                },
            )?,
            role_prefix: text("--role-prefix", self.role_prefix, &flags.role_prefix)?,
            role_path: text("--role-path", self.role_path, &flags.role_path)?,
            account: text("--account", self.account, &flags.account)?,
            region: text("--region", self.region, &flags.region)?,
            audience: text("--audience", self.audience, &flags.audience)?,
            permissions_boundary: text(
                "--permissions-boundary",
                self.permissions_boundary,
                &flags.permissions_boundary,
            )?,
            max_session_duration: self.max_session_duration.or(flags.max_session_duration),
            managed_by: text("--managed-by", self.managed_by, &flags.managed_by)?,
            pod_identity: text("--pod-identity", self.pod_identity, &flags.pod_identity)?,
            long_names: text("--long-names", self.long_names, &flags.long_names)?,
            managed_annotation: text(
                "--managed-annotation",
                self.managed_annotation,
                &flags.managed_annotation,
            )?,
            annotation_prefix: text(
                "--annotation-prefix",
                self.annotation_prefix,
                &flags.annotation_prefix,
            )?,
            namespace_enforce: self.namespace_enforce.or(flags.namespace_enforce),
            compose_role_arn: self.compose_role_arn.or(flags.compose_role_arn),
            token_path: text("--token-path", self.token_path, &flags.token_path)?,
            role_arn: text("--role-arn", self.role_arn, &flags.role_arn)?,
            assume_role: text("--assume-role", self.assume_role, &flags.assume_role)?,
            place: self.place,
            name: self.name,
        })
    }
}

/// An issuer in the form in which two spellings of it are equal.
fn issuer(text: &str) -> String {
    Issuer::new(text).map_or(text.to_owned(), |issuer| issuer.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn named(text: &str, wanted: &[&str], flags: &ClusterInput) -> Result<Vec<String>, String> {
        let file = ConfigFile::parse("c.yaml", text).expect("a valid file");
        let clusters = clusters(Some(file), &names(wanted), flags);
        let clusters = clusters.map_err(|error| error.to_string())?;
        let all = clusters.into_iter().map(|c| c.name.unwrap_or_default());
        Ok(all.collect())
    }

    #[test]
    fn i12_names_and_patterns_select_clusters_of_a_file() {
        let text = "[{name: blue-eu}, {name: blue-us}, {name: green}]";
        let select = |wanted: &[&str]| named(text, wanted, &ClusterInput::default());
        for (wanted, selected) in [
            (&[][..], &["blue-eu", "blue-us", "green"][..]),
            (&["green"], &["green"]),
            (&["green", "blue-eu"], &["blue-eu", "green"]),
            (&["blue-*"], &["blue-eu", "blue-us"]),
            (&["*-??", "*"], &["blue-eu", "blue-us", "green"]),
            (&["*u*"], &["blue-eu", "blue-us"]),
        ] {
            assert_eq!(select(wanted).expect("known"), selected, "{wanted:?}");
        }
        for (wanted, said) in [
            (&["gren"][..], "no cluster `gren`; did you mean `green`?"),
            (&["green", "x*"], "c.yaml has no cluster `x*`"),
            (&["Green"], "did you mean `green`?"),
            (&["blue"], "no cluster `blue`"),
            (&["gree?n"], "no cluster `gree?n`"),
        ] {
            let error = select(wanted).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
        // An entry may leave its name to the flag.
        let select = |text, wanted: &[&str]| named(text, wanted, &ClusterInput::default());
        assert_eq!(select("[{paths: a}]", &["x"]).expect("its name"), ["x"]);
        let mixed = "[{paths: a}, {name: b}]";
        assert_eq!(select(mixed, &["b"]).expect("the other"), ["b"]);
        assert_eq!(select(mixed, &["x"]).expect("its name"), ["x"]);
        assert!(select(mixed, &["x*"]).is_err());
    }

    #[test]
    fn i12_without_a_file_there_is_one_cluster() {
        let flags = ClusterInput::default();
        assert_eq!(clusters(None, &[], &flags).expect("none")[0].name, None);
        let twice = clusters(None, &names(&["a", "a"]), &flags).expect("the same");
        assert_eq!(twice[0].name.as_deref(), Some("a"));
        let error = clusters(None, &names(&["a", "b"]), &flags).expect_err("two");
        assert!(error.to_string().contains("`a`, `b`"), "{error}");
    }

    #[test]
    fn i13_a_flag_fills_in_agrees_or_is_refused() {
        type Set = fn(&mut ClusterInput, &str);
        let cases: [(&str, Set, &str, &str, &str); 14] = [
            (
                "--path",
                |i, v| i.paths = vec![v.into()],
                "apps",
                "./apps/",
                "app",
            ),
            (
                "--oidc-provider",
                |i, v| i.oidc_providers = vec![v.into()],
                "a.b/c",
                "https://a.b/c",
                "a.b/d",
            ),
            (
                "--role-prefix",
                |i, v| i.role_prefix = Some(v.into()),
                "x",
                "x",
                "",
            ),
            (
                "--role-path",
                |i, v| i.role_path = Some(v.into()),
                "/x/",
                "/x/",
                "/",
            ),
            (
                "--account",
                |i, v| i.account = Some(v.into()),
                "1",
                "1",
                "2",
            ),
            (
                "--region",
                |i, v| i.region = Some(v.into()),
                "a-1",
                "a-1",
                "b-1",
            ),
            (
                "--audience",
                |i, v| i.audience = Some(v.into()),
                "x",
                "x",
                "none",
            ),
            (
                "--permissions-boundary",
                |i, v| i.permissions_boundary = Some(v.into()),
                "x",
                "x",
                "y",
            ),
            (
                "--max-session-duration",
                |i, v| i.max_session_duration = v.parse().ok(),
                "3600",
                "3600",
                "7200",
            ),
            (
                "--managed-by",
                |i, v| i.managed_by = Some(v.into()),
                "x",
                "x",
                "y",
            ),
            ("--tag", |i, v| i.tags = vec![v.into()], "a=1", "a=1", "a=2"),
            (
                "--token-path",
                |i, v| i.token_path = Some(v.into()),
                "/x",
                "/x",
                "",
            ),
            (
                "--role-arn",
                |i, v| i.role_arn = Some(v.into()),
                "x",
                "x",
                "y",
            ),
            (
                "--assume-role",
                |i, v| i.assume_role = Some(v.into()),
                "x",
                "x",
                "y",
            ),
        ];
        for (flag, set, written, same, other) in cases {
            let with = |value: Option<&str>| {
                let mut input = ClusterInput::default();
                value.iter().for_each(|value| set(&mut input, value));
                input
            };
            let own = with(Some(written));
            for fine in [None, Some(written), Some(same)] {
                assert_eq!(
                    own.clone().or(&with(fine)).ok(),
                    Some(own.clone()),
                    "{flag}"
                );
            }
            assert_eq!(with(None).or(&own).ok(), Some(own.clone()), "{flag}");
            let mut own = own;
            own.place = Some("c.yaml, cluster `blue`".to_owned());
            let error = own.or(&with(Some(other))).expect_err(flag).to_string();
            let said = format!("{flag} is `{other}`, but c.yaml, cluster `blue` has `{written}`");
            assert_eq!(error, said);
        }
    }

    #[test]
    fn i13_lists_are_compared_as_sets() {
        let with = |paths: &[&str]| ClusterInput {
            paths: names(paths),
            ..ClusterInput::default()
        };
        let own = with(&["a", "b"]);
        assert!(own.clone().or(&with(&["b/", "a", "./b"])).is_ok());
        assert!(own.or(&with(&["a"])).is_err());
    }
}
