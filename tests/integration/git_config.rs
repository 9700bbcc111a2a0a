//! Git's configuration as people have it: files and variables, heeded as git heeds them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::Path;

use tempfile::TempDir;

use crate::support::cli::{Cli, Run, not_run};
use crate::support::git_host::HttpsHost;
use crate::support::repository::{Repository, git, service_account};

const TOKEN: &str = "planted-token";

/// A directory that holds the repository `apps` of another user; `None` where nobody can be given one.
fn foreign() -> Option<TempDir> {
    let place = TempDir::new().expect("a directory");
    let made = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let from = made.path().to_str().expect("UTF-8");
    git(
        place.path(),
        &["clone", "--quiet", "--no-local", from, "apps"],
    );
    let mut given = true;
    for path in ["apps", "apps/.git"] {
        given &= chown(place.path().join(path), Some(4242), Some(4242)).is_ok();
    }
    if !given {
        not_run("only root can give a repository to somebody else");
    }
    given.then_some(place)
}

fn lint(place: &TempDir) -> Cli {
    Cli::new(place.path(), &["lint", "apps", "--format", "json"])
}

#[test]
fn g60_a_repository_of_somebody_else_is_read_if_git_would_read_it() {
    let Some(place) = foreign() else { return };
    let root = place.path().canonicalize().expect("a directory");
    let apps = root.join("apps").display().to_string();
    let root = root.display().to_string();
    let config = root.clone() + "/.gitconfig";
    for (value, is_read) in [
        (apps.clone(), true),
        (format!("{apps}/"), true),
        (format!("{root}/*"), true),
        ("~/apps".to_owned(), true),
        ("*".to_owned(), true),
        (root.clone(), false),
        (format!("{apps}/*"), false),
    ] {
        std::fs::write(&config, format!("[safe]\n\tdirectory = {value}\n")).expect("written");
        lint(&place).run().ends(if is_read { 0 } else { 4 });
    }
    std::fs::remove_file(&config).expect("removed");
    // The same by variables.
    let other = root.clone() + "/other.gitconfig";
    std::fs::write(&other, format!("[safe]\n\tdirectory = {apps}\n")).expect("written");
    lint(&place).env("GIT_CONFIG_GLOBAL", &other).run().ends(0);
    lint(&place).env("GIT_CONFIG_SYSTEM", &other).run().ends(0);
    let without = lint(&place).env("GIT_CONFIG_SYSTEM", &other);
    without.env("GIT_CONFIG_NOSYSTEM", "1").run().ends(4);
    let pair = |value: &str, count: &str| {
        let run = lint(&place).env("GIT_CONFIG_COUNT", count);
        run.env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", value)
            .run()
    };
    pair(&apps, "1").ends(0);
    pair(&apps, "0").ends(4);
    // What the repository itself says counts for nothing.
    let own = place.path().join("apps/.git/config");
    let text = std::fs::read_to_string(&own).expect("a file");
    std::fs::write(&own, text + "[safe]\n\tdirectory = *\n").expect("written");
    let refused = lint(&place).run().ends(4);
    let (_, hint) = refused
        .stderr
        .split_once("if you trust it: git ")
        .expect("a hint");
    let words: Vec<&str> = hint.trim().split(' ').collect();
    let status = std::process::Command::new("git")
        .args(words)
        .env("HOME", place.path())
        .status();
    assert!(status.expect("git can be run").success());
    lint(&place).run().ends(0);
}

#[test]
fn g60_what_is_read_of_a_repository_of_somebody_else_is_what_is_in_it() {
    let Some(place) = foreign() else { return };
    let apps = place.path().join("apps");
    let above = place.path().canonicalize().expect("a directory");
    let run = |arguments: &[&str]| {
        let all = [&["lint"], arguments, &["--format", "json"]].concat();
        let run = Cli::new(place.path(), &all).env("GIT_CONFIG_COUNT", "1");
        run.env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", format!("{}/*", above.display()))
            .run()
    };
    let head = git(
        place.path(),
        &["-c", "safe.directory=*", "-C", "apps", "rev-parse", "HEAD"],
    );
    let read = run(&["apps"]).ends(0);
    assert_eq!(read.json()["commit"], head.as_str());
    assert_eq!(read.codes(), [""; 0]);
    assert_eq!(
        run(&["apps", "--revision", "main"]).ends(0).json()["commit"],
        head.as_str()
    );
    let url = format!("file://{}", apps.display());
    assert_eq!(run(&[&url]).ends(0).json()["commit"], head.as_str());
    // A change of the work tree is seen as ever.
    std::fs::write(apps.join("a.yaml"), service_account("bar", "b")).expect("written");
    assert_eq!(run(&["apps"]).ends(0).codes(), ["dirty-work-tree"]);
    // A part of it is told with its root.
    std::fs::create_dir(apps.join("part")).expect("a directory");
    let part = run(&["apps/part"]).ends(4);
    assert!(
        part.stderr.contains("is inside the one at"),
        "{}",
        part.stderr
    );
}

/// A host with `acme/apps.git`, and a home that trusts its certificate by `SSL_CERT_FILE`.
fn hosted() -> (TempDir, HttpsHost) {
    let root = TempDir::new().expect("a directory");
    let repository = Repository::with(&[("a.yaml", &service_account("bar", "a"))]);
    let source = repository.path().to_str().expect("UTF-8");
    git(
        root.path(),
        &["clone", "--quiet", "--bare", source, "acme/apps.git"],
    );
    let host = HttpsHost::start(root.path(), TOKEN, None);
    (root, host)
}

fn clone(home: &Path, host: &HttpsHost, address: &str, config: &str) -> Cli {
    std::fs::write(home.join(".gitconfig"), config).expect("written");
    Cli::new(home, &["lint", address, "--format", "json"])
        .env("SSL_CERT_FILE", &host.authority)
        .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
}

#[test]
fn g61_an_address_is_rewritten_before_anything_is_connected_to() {
    let (root, host) = hosted();
    let rule = |base: &str, start: &str| format!("[url \"{base}\"]\n\tinsteadOf = {start}\n");
    let secret = host.url.replace("https://", "https://x:planted-password@");
    for (address, config) in [
        (
            "https://nowhere.invalid/acme/apps.git",
            rule(&host.url, "https://nowhere.invalid"),
        ),
        (
            "git@nowhere.invalid:acme/apps.git",
            rule(&format!("{}/", host.url), "git@nowhere.invalid:"),
        ),
        ("gh:acme/apps.git", rule(&format!("{}/", host.url), "gh:")),
    ] {
        let run = clone(root.path(), &host, address, &config).run().ends(0);
        let shown = run.json()["repository"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(
            shown.contains("nowhere"),
            address.contains("nowhere"),
            "{shown}"
        );
    }
    let by_variable = clone(
        root.path(),
        &host,
        "https://nowhere.invalid/acme/apps.git",
        "",
    )
    .env("GIT_CONFIG_COUNT", "1")
    .env("GIT_CONFIG_KEY_0", format!("url.{}/.insteadOf", host.url))
    .env("GIT_CONFIG_VALUE_0", "https://nowhere.invalid/");
    by_variable.run().ends(0);
    // A password that comes in by it is as secret as any other.
    let config = rule(&secret, "https://nowhere.invalid");
    let wrong = clone(
        root.path(),
        &host,
        "https://nowhere.invalid/acme/apps.git",
        &config,
    );
    let run = wrong
        .env("IRSA_GITOPS_GIT_TOKEN", "planted-other")
        .run()
        .ends(6);
    assert!(
        !format!("{}{}", run.stdout, run.stderr).contains("planted"),
        "{run:?}"
    );
    // What no address may be, none is rewritten to.
    for base in [
        "http://localhost/",
        "ext::sh -c x",
        "ssh://-oProxyCommand=x/",
    ] {
        let config = rule(base, "https://nowhere.invalid/");
        let run = clone(
            root.path(),
            &host,
            "https://nowhere.invalid/acme/apps.git",
            &config,
        );
        let run = run.run().ends(2);
        assert!(
            run.stderr.contains("which insteadOf makes of"),
            "{}",
            run.stderr
        );
    }
}

/// A proxy that passes on what is sent, to wherever it is for; it ends with the test.
fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that breaks is the client's affair.
            std::thread::spawn(move || _ = pass(client));
        }
    });
    address
}

fn pass(client: TcpStream) -> std::io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    from.read_line(&mut line)?;
    // Every name is this machine.
    let port = line.split([' ', ':']).nth(2).unwrap_or_default().to_owned();
    while line.trim() != "" {
        line.clear();
        from.read_line(&mut line)?;
    }
    let mut server = TcpStream::connect(format!("127.0.0.1:{port}"))?;
    let mut client = client;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut back, mut to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut back, &mut to));
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            count => server.write_all(&bytes[..count])?,
        }
    }
}

#[test]
fn g61_the_proxy_of_gits_configuration_is_gone_by() {
    let (root, host) = hosted();
    let proxy = proxy();
    let url = format!("{}/acme/apps.git", host.url);
    let config = |proxy: &str| format!("[http]\n\tproxy = {proxy}\n");
    clone(root.path(), &host, &url, &config(&proxy))
        .run()
        .ends(0);
    clone(
        root.path(),
        &host,
        &url,
        &config(&format!("http://{proxy}")),
    )
    .run()
    .ends(0);
    // It is said where it is not one.
    let dead = config("http://me:planted-password@127.0.0.1:1");
    let run = clone(root.path(), &host, &url, &dead).run().ends(6);
    assert!(
        run.stderr.contains("127.0.0.1:1` of http.proxy"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("planted"), "{}", run.stderr);
    // An empty one takes back that of the environment, and one for another host is none.
    let none = config("");
    let by_none = clone(root.path(), &host, &url, &none);
    by_none
        .env("https_proxy", "http://127.0.0.1:1")
        .run()
        .ends(0);
    let other = "[http \"https://other.example.com\"]\n\tproxy = http://127.0.0.1:1\n";
    clone(root.path(), &host, &url, other).run().ends(0);
}

#[test]
fn g62_other_authorities_are_refused_with_what_makes_them_count() {
    let (root, host) = hosted();
    let url = format!("{}/acme/apps.git", host.url);
    let ours = host.authority.display().to_string();
    let other = root.path().join("other.pem");
    std::fs::write(&other, "-----BEGIN CERTIFICATE-----\n").expect("written");
    let other = other.display().to_string();
    let key = |file: &str| format!("[http]\n\tsslCAInfo = {file}\n");
    let run = |config: &str, variable: &str| {
        let run = clone(root.path(), &host, &url, config);
        run.env("GIT_SSL_CAINFO", variable).run()
    };
    for refused in [
        run(&key(&other), "").ends(2),
        run(&key(&ours), &other).ends(2),
    ] {
        let hint = format!("SSL_CERT_FILE={other}");
        assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
    }
    run(&key(&ours), "").ends(0);
    run("", &ours).ends(0);
    // A file that vouches for nobody is told with whatever names it.
    let gone = root.path().join("gone.pem").display().to_string();
    let empty = root.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").expect("written");
    let empty = empty.display().to_string();
    for (file, why) in [(&gone, "cannot be read"), (&empty, "no certificate in PEM")] {
        for (run, name) in [
            (run(&key(file), ""), "http.sslCAInfo"),
            (run("", file), "GIT_SSL_CAINFO"),
        ] {
            let said = run.ends(2).stderr;
            assert!(said.contains(&format!("{name} names `{file}`, ")), "{said}");
            assert!(
                said.contains(why) && said.contains("hint: correct it"),
                "{said}"
            );
        }
        let run = clone(root.path(), &host, &url, "").env("SSL_CERT_FILE", file);
        let said = run.run().ends(6).stderr;
        assert!(
            said.contains(&format!("SSL_CERT_FILE names `{file}`, ")),
            "{said}"
        );
    }
    run(&key(&other), &ours).ends(0);
    // The certificates of another host are of no account here.
    let elsewhere = format!("[http \"https://other.example.com\"]\n\tsslCAInfo = {other}\n");
    run(&elsewhere, "").ends(0);
}

#[test]
fn g65_a_token_ends_where_its_line_does() {
    let (root, host) = hosted();
    let url = format!("{}/acme/apps.git", host.url);
    let run = |token: &str| {
        let run = clone(root.path(), &host, &url, "");
        run.env("IRSA_GITOPS_GIT_TOKEN", token).run()
    };
    for end in ["\n", "\r\n", " ", ""] {
        run(&format!("{TOKEN}{end}")).ends(0);
    }
    let broken: Run = run("planted-\ntoken").ends(6);
    let said = "IRSA_GITOPS_GIT_TOKEN (which has a line break";
    assert!(broken.stderr.contains(said), "{}", broken.stderr);
    assert!(!broken.stderr.contains("planted"), "{}", broken.stderr);
}
