//! The situations that the documents show: each a repository and an account, always with the same
//! commit ids, because the clock of Git stands still.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::cli::{Cli, ISSUER, Run, role, sandbox, state};
use super::repository::service_account;

/// What a cluster had for its issuer before it was built again.
const FORMER_ISSUER: &str = "oidc.eks.eu-west-1.amazonaws.com/id/9B1E4C22D5F7A0836C1D2E3F4A5B6C7D";

/// A repository, the account beside it, and the environment of whoever types there.
pub struct Scene {
    directory: TempDir,
    environment: Vec<(&'static str, &'static str)>,
}

impl Scene {
    /// The one of a name.
    pub fn named(name: &str) -> Self {
        match name {
            "review" => Self::review(),
            "quickstart" => Self::quickstart(),
            "own" => Self::own(),
            "mistakes" => Self::mistakes(),
            "newer" => Self::newer(),
            "many" => Self::many(),
            "quarantined" => Self::quarantined(),
            "rebuilt" => Self::rebuilt(),
            "on-call" => Self::on_call(),
            "refused" => Self::refused(),
            _ => panic!("there is no scene `{name}`"),
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        let cli = Cli::new(&self.apps(), arguments).sandbox(&self.iam());
        let set = |cli: Cli, (key, value): &(&str, &str)| cli.env(key, value);
        self.environment.iter().fold(cli, set).run()
    }

    /// The same as somebody types it who has set nothing of the cluster: what a command says is all.
    pub fn paste(&self, arguments: &[&str]) -> Run {
        let cli = Cli::new(&self.apps(), arguments);
        let cli = cli.env("IRSA_GITOPS_CLUSTER_NAME", "");
        cli.env("IRSA_GITOPS_OIDC_PROVIDER", "").run()
    }

    /// A branch that adds two ServiceAccounts, one with a role of the controller, and removes a third;
    /// meanwhile somebody edited a tag.
    fn review() -> Self {
        let scene = Self::empty();
        scene.write("foo", &service_account("bar", "foo"));
        scene.write("cart", &service_account("shop", "cart"));
        scene.commit(1, "Roles for bar/foo and shop/cart");
        scene.apply(&["apply", "--tag", "team=apps"]);
        let mut account = state(&scene.iam());
        role(&mut account, 1)["id"] = "AROAEXAMPLECART".into();
        role(&mut account, 1)["attachedPolicies"] =
            json!(["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
        *tag(role(&mut account, 0), "team") = "somebody".into();
        let mut legacy = role(&mut account, 1).clone();
        legacy["name"] = "k8s-sa_bar_legacy".into();
        legacy["id"] = "AROAEXAMPLELEGACY".into();
        legacy["tags"] = json!([
            { "key": "role.k8s.aws/managed-by", "value": "iam-service-account-controller" },
            { "key": "serviceaccount.k8s.aws/stack", "value": "bar/legacy" },
            { "key": "role.k8s.aws/cluster", "value": "cluster" },
        ]);
        let equals = &mut legacy["trustPolicy"]["Statement"][0]["Condition"]["StringEquals"];
        *equals = json!({ format!("{ISSUER}:sub"): "system:serviceaccount:bar:legacy" });
        account["roles"].as_array_mut().expect("roles").push(legacy);
        scene.keep(&account);
        scene.git(2, &["checkout", "--quiet", "-b", "topic"]);
        scene.write("new", &service_account("bar", "new"));
        scene.write("legacy", &service_account("bar", "legacy"));
        scene.remove("cart");
        scene.commit(2, "Add bar/new and bar/legacy, remove shop/cart");
        scene
    }

    /// What ci/quickstart.sh makes.
    fn quickstart() -> Self {
        let scene = Self::empty();
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quickstart/manifests");
        let copied = Command::new("cp")
            .arg("-R")
            .arg(manifests.join("."))
            .arg(scene.apps())
            .status();
        assert!(copied.expect("cp can be run").success());
        scene.commit(1, "Declare the roles of bar/foo and shop/cart.v2");
        scene
    }

    /// A repository of somebody who has set nothing yet, and the account that the README has them write.
    fn own() -> Self {
        let mut scene = Self::quickstart();
        std::fs::remove_file(scene.iam()).expect("it was made for the scene");
        scene.environment = vec![
            ("IRSA_GITOPS_CLUSTER_NAME", ""),
            ("IRSA_GITOPS_OIDC_PROVIDER", ""),
            ("IRSA_GITOPS_SANDBOX", ""),
        ];
        scene
    }

    /// Manifests as they are written by hand.
    fn mistakes() -> Self {
        let scene = Self::empty();
        let right = service_account("bar", "foo");
        scene.write(
            "foo",
            &right.replace("role/k8s-sa_bar_foo", "role/k8s-sa_bar_fo"),
        );
        scene.write(
            "cart",
            &service_account("shop", "cart").replace("\"true\"", "yes"),
        );
        scene.commit(1, "Roles for bar/foo and shop/cart");
        scene
    }

    /// An account to which a commit was applied that is newer than what somebody runs now.
    fn newer() -> Self {
        let scene = Self::empty();
        scene.write("foo", &service_account("bar", "foo"));
        scene.commit(1, "A role for bar/foo");
        scene.write("cart", &service_account("shop", "cart"));
        let audience = "    eks.amazonaws.com/audience: vault\n";
        scene.write("foo", &(service_account("bar", "foo") + audience));
        scene.commit(2, "A role for shop/cart, another audience for bar/foo");
        let mut account = state(&scene.iam());
        account["oidcProviders"][0]["audiences"] = json!(["sts.amazonaws.com", "vault"]);
        scene.keep(&account);
        scene.apply(&["apply"]);
        scene
    }

    /// A commit that removes most of what there was.
    fn many() -> Self {
        let scene = Self::empty();
        let names = [
            "cart", "checkout", "mail", "orders", "prices", "search", "stock", "users",
        ];
        for name in names {
            scene.write(name, &service_account("shop", name));
        }
        scene.commit(1, "The shop");
        scene.apply(&["apply"]);
        names[2..].iter().for_each(|name| scene.remove(name));
        scene.commit(2, "Move to the new chart");
        scene
    }

    /// A role that was retired, and a commit that declares its ServiceAccount again.
    fn quarantined() -> Self {
        let scene = Self::empty();
        scene.write("cart", &service_account("shop", "cart"));
        scene.write("foo", &service_account("bar", "foo"));
        scene.commit(1, "Roles for bar/foo and shop/cart");
        scene.apply(&["apply"]);
        let mut account = state(&scene.iam());
        role(&mut account, 1)["id"] = "AROAEXAMPLECART".into();
        scene.keep(&account);
        scene.remove("cart");
        scene.commit(2, "Remove shop/cart");
        scene.apply(&["apply", "--mode", "sync"]);
        let mut account = state(&scene.iam());
        *tag(role(&mut account, 1), "role.k8s.aws/quarantined-at") = "2026-03-02T12:05:00Z".into();
        scene.keep(&account);
        scene.git(3, &["revert", "--no-edit", "HEAD"]);
        scene
    }

    /// A role of a cluster that was built again, so that it has another issuer.
    fn rebuilt() -> Self {
        let scene = Self::empty();
        scene.write("foo", &service_account("bar", "foo"));
        scene.commit(1, "A role for bar/foo");
        scene.apply(&["apply"]);
        let text = state(&scene.iam())["roles"].to_string();
        let mut account = state(&scene.iam());
        let roles = text.replace(ISSUER, FORMER_ISSUER);
        account["roles"] = serde_json::from_str(&roles).expect("JSON");
        let providers = account["oidcProviders"].as_array_mut().expect("providers");
        providers.push(json!({ "issuer": FORMER_ISSUER, "audiences": ["sts.amazonaws.com"] }));
        scene.keep(&account);
        scene
    }

    /// A night on which much is wrong: a role was quarantined, another one is let in by hand to somebody
    /// else, a third was deleted and made again; a ServiceAccount was renamed, and one has a typo.
    fn on_call() -> Self {
        let scene = Self::empty();
        for name in ["cart", "mail", "orders", "prices", "stock"] {
            scene.write(name, &service_account("shop", name));
        }
        scene.commit(1, "The shop");
        scene.apply(&["apply"]);
        scene.remove("cart");
        scene.write("prices", &service_account("shop", "pricing"));
        scene.commit(2, "Remove shop/cart, and give shop/prices another name");
        scene.apply(&["apply", "--mode", "sync"]);
        let mut account = state(&scene.iam());
        let roles = account["roles"].as_array_mut().expect("roles");
        for role in roles {
            let name = role["name"].as_str().unwrap_or_default().to_owned();
            match name.as_str() {
                "k8s-sa_shop_cart" | "k8s-sa_shop_prices" => {
                    *tag(role, "role.k8s.aws/quarantined-at") = "2026-03-02T12:05:00Z".into();
                }
                "k8s-sa_shop_mail" => {
                    let equals = &mut role["trustPolicy"]["Statement"][0]["Condition"];
                    let subject = format!("{ISSUER}:sub");
                    equals["StringEquals"][subject] = "system:serviceaccount:shop:mails".into();
                }
                "k8s-sa_shop_orders" => role["createDate"] = "2026-03-03T02:40:00Z".into(),
                _ => {}
            }
        }
        scene.keep(&account);
        let stock = service_account("shop", "stock");
        scene.write(
            "stock",
            &stock.replace("k8s-sa_shop_stock", "k8s-sa_shop_stok"),
        );
        scene.commit(3, "Another label for shop/stock");
        scene
    }

    /// Roles as declared, and a provider that refuses the audience of their pods.
    fn refused() -> Self {
        let scene = Self::empty();
        scene.write("cart", &service_account("shop", "cart"));
        scene.commit(1, "A role for shop/cart");
        scene.apply(&["apply"]);
        let mut account = state(&scene.iam());
        account["oidcProviders"][0]["audiences"] = json!(["sts.example.com"]);
        scene.keep(&account);
        scene
    }

    fn empty() -> Self {
        let scene = Self {
            directory: TempDir::new().expect("a directory"),
            environment: vec![],
        };
        sandbox(scene.directory.path());
        std::fs::create_dir(scene.apps()).expect("a directory");
        scene.git(1, &["init", "--quiet", "--initial-branch", "main"]);
        let origin = "https://github.com/acme/apps";
        scene.git(1, &["remote", "add", "origin", origin]);
        scene
    }

    /// A run of `apply` at noon of the first day, as far as the record tells.
    fn apply(&self, arguments: &[&str]) {
        self.run(arguments).ends(0);
        let mut account = state(&self.iam());
        for role in account["roles"].as_array_mut().expect("roles") {
            let name = role["name"].as_str().unwrap_or_default();
            let name = name.rsplit('_').next().unwrap_or_default();
            let letters = name.chars().filter(char::is_ascii_alphanumeric);
            let id: String = letters.collect::<String>().to_uppercase();
            role["id"] = format!("AROAEXAMPLE{id}").into();
            role["createDate"] = "2026-03-01T12:05:00Z".into();
            let tags = role["tags"].as_array_mut().expect("tags").iter_mut();
            for tag in tags.filter(|tag| tag["key"] == "role.k8s.aws/applied") {
                let commit = tag["value"].as_str().unwrap_or_default()[..40].to_owned();
                tag["value"] = format!("{commit}@2026-03-01T12:05:00Z").into();
            }
        }
        self.keep(&account);
    }

    fn apps(&self) -> PathBuf {
        self.directory.path().join("apps")
    }

    pub fn iam(&self) -> PathBuf {
        self.directory.path().join("iam.json")
    }

    fn keep(&self, account: &Value) {
        std::fs::write(self.iam(), account.to_string()).expect("a file");
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.apps().join(format!("{name}.yaml")), text).expect("a file");
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.apps().join(format!("{name}.yaml")))
            .expect("a file that is there");
    }

    fn commit(&self, day: u8, message: &str) {
        self.git(day, &["add", "."]);
        self.git(day, &["commit", "--quiet", "--message", message]);
    }

    fn git(&self, day: u8, arguments: &[&str]) {
        let date = format!("2026-03-{day:02}T12:00:00Z");
        let done = Command::new("git")
            .current_dir(self.apps())
            .args(["-c", "user.name=Ann Author"])
            .args(["-c", "user.email=ann@example.com"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output();
        let done = done.expect("git can be run");
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }
}

/// The value of a role's tag.
fn tag<'a>(role: &'a mut Value, key: &str) -> &'a mut Value {
    let tags = role["tags"].as_array_mut().expect("tags");
    let tag = tags.iter_mut().find(|tag| tag["key"] == key);
    &mut tag.expect("a tag of that key")["value"]
}
