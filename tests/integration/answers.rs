//! What a Git host answers in place of a repository, and what is said of it.

use std::io::{Read, Write};
use std::net::TcpListener;

use tempfile::TempDir;

use crate::support::cli::{Cli, Run, not_run};
use crate::support::git_host::{Answer, HttpsHost, SshHost};
use crate::support::repository::{Repository, git, service_account};

const TOKEN: &str = "planted-token";
const PAGE: &str = "<html><body>Sign in</body></html>";

/// A directory that holds `acme/apps.git`.
fn hosted() -> TempDir {
    let root = TempDir::new().expect("a directory");
    let repository = Repository::with(&[("apps/foo.yaml", &service_account("bar", "foo"))]);
    let source = repository.path().to_str().expect("UTF-8");
    git(
        root.path(),
        &["clone", "--quiet", "--bare", source, "acme/apps.git"],
    );
    root
}

fn lint(root: &TempDir, host: &HttpsHost, path: &str) -> Cli {
    Cli::new(root.path(), &["lint", &format!("{}{path}", host.url)])
        .env("SSL_CERT_FILE", &host.authority)
}

/// Everything is said, no secret among it.
#[track_caller]
fn says(run: Run, parts: &[&str]) {
    let run = run.ends(6);
    for part in parts {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(!run.stderr.contains("planted"), "{}", run.stderr);
}

fn status(status: u16, header: (&'static str, &str)) -> Option<Answer> {
    let header = (header.0, header.1.to_owned());
    let body = PAGE;
    Some(Answer {
        status,
        header,
        body,
    })
}

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

#[test]
fn s39_a_repository_that_is_not_there_or_hidden_is_told_with_what_was_tried() {
    let root = hosted();
    let host = HttpsHost::start(root.path(), TOKEN, None);
    let place = host.url.trim_start_matches("https://").to_owned();
    let with_token = |path| lint(&root, &host, path).env("IRSA_GITOPS_GIT_TOKEN", TOKEN);
    says(
        with_token("/acme/aps").run(),
        &[
            &format!("{place} has no such repository, or hides it (404)"),
            "tried: the credential from IRSA_GITOPS_GIT_TOKEN",
            &format!(
                "hint: check the URL (some hosts want .git at its end: {}/acme/aps.git)",
                host.url
            ),
            "IRSA_GITOPS_GIT_TOKEN",
            &format!("`git ls-remote {}/acme/aps`", host.url),
        ],
    );
    // What is in the URL was shown, and is not shown again.
    let url = host
        .url
        .replace("https://", &format!("https://ann:{TOKEN}@"));
    let by_url = Cli::new(
        root.path(),
        &["lint", &format!("{url}/acme/aps.git?x=planted")],
    );
    says(
        by_url.env("SSL_CERT_FILE", &host.authority).run(),
        &[
            "(404)",
            "tried: the credential from the URL",
            "check the URL;",
        ],
    );
    // The address of a page is told as such, and what was meant by it.
    says(
        with_token("/acme/apps/tree/main/apps").run(),
        &[
            "hint: that is the address of a page of a repository; give the repository: ",
            &format!("{}/acme/apps --revision main --path apps", host.url),
        ],
    );
    // A host that hides by asking for a credential.
    let token_of_a_job = lint(&root, &host, "/acme/aps").env("GITHUB_TOKEN", TOKEN);
    says(
        token_of_a_job.run(),
        &[
            "refused access without a credential, as GITHUB_TOKEN is for another host",
            "where there is no such repository: check the URL",
        ],
    );
    // The control: what is there is read.
    with_token("/acme/apps.git").run().ends(0);
}

#[test]
fn s39_a_refusal_is_told_with_what_is_missing() {
    let root = hosted();
    let host = HttpsHost::start_with(root.path(), TOKEN, |_, is_shown| {
        is_shown.then(|| status(403, HTML)).flatten()
    });
    let run = lint(&root, &host, "/acme/apps.git").env("IRSA_GITOPS_GIT_TOKEN", TOKEN);
    says(
        run.run(),
        &[
            "localhost:",
            "does not allow it (403)",
            "the credential from IRSA_GITOPS_GIT_TOKEN",
            "single sign-on",
        ],
    );
    let job = lint(&root, &host, "/acme/apps.git").env("GITHUB_TOKEN", TOKEN);
    says(
        job.env("GITHUB_SERVER_URL", &host.url).run(),
        &["(403)", "GITHUB_TOKEN may read the repository of its job"],
    );
    for kind in ["Negotiate", "Bearer realm=\"git\""] {
        let other = HttpsHost::start_with(root.path(), TOKEN, move |_, _| {
            status(401, ("www-authenticate", kind))
        });
        let run = lint(&root, &other, "/acme/apps.git").env("IRSA_GITOPS_GIT_TOKEN", TOKEN);
        says(run.run(), &["wants another kind of login", "ssh://"]);
    }
}

#[test]
fn s39_a_web_page_is_no_repository() {
    let root = hosted();
    for code in [200, 203] {
        let host = HttpsHost::start_with(root.path(), TOKEN, move |_, _| status(code, HTML));
        says(
            lint(&root, &host, "/acme/apps.git").run(),
            &[
                "localhost:",
                "answers with a web page",
                "hint: if it is a page to log in: give a token",
                "proxy",
                "`git ls-remote https://localhost:",
            ],
        );
        says(
            lint(&root, &host, "/acme/apps/-/tree/v1/prod").run(),
            &[
                "answers with a web page",
                "/acme/apps --revision v1 --path prod",
            ],
        );
    }
    // Redirects within the host, to where one logs in, and from there to the next.
    for (is_page, said) in [
        (true, "answers with a web page"),
        (false, "from one page to the next"),
    ] {
        let login = HttpsHost::start_with(root.path(), TOKEN, move |path, _| {
            match is_page && path.starts_with("/login") {
                true => status(200, HTML),
                false => status(302, ("location", "/login")),
            }
        });
        says(
            lint(&root, &login, "/acme/apps.git").run(),
            &[said, "localhost:", "IRSA_GITOPS_GIT_TOKEN"],
        );
    }
}

#[test]
fn s40_a_redirect_leads_nowhere_else_and_takes_no_credential_along() {
    let root = hosted();
    let other = HttpsHost::start(root.path(), TOKEN, None);
    let port = other.url.rsplit(':').next().expect("a port").to_owned();
    // Before the credential is shown, and after it; to another name, and to another port of the same.
    for (is_before, name, is_asked) in [
        (true, "127.0.0.1", false),
        (false, "127.0.0.1", false),
        (true, "localhost", true),
        (false, "localhost", true),
    ] {
        let target = format!("https://{name}:{port}");
        let second = hosted();
        let host = HttpsHost::start_with(second.path(), TOKEN, move |path, is_shown| {
            let location = format!("{target}{path}");
            (is_before || is_shown)
                .then(|| status(302, ("location", &location)))
                .flatten()
        });
        let bundle = second.path().join("both.pem");
        let both = [&host.authority, &other.authority].map(|file| std::fs::read(file).expect("it"));
        std::fs::write(&bundle, both.concat()).expect("written");
        let run = Cli::new(
            second.path(),
            &["lint", &format!("{}/acme/apps.git", host.url)],
        )
        .env("SSL_CERT_FILE", &bundle)
        .env("IRSA_GITOPS_GIT_TOKEN", TOKEN)
        .run();
        let to = if is_asked {
            format!("localhost:{port}")
        } else {
            name.to_owned()
        };
        says(
            run,
            &[
                &format!("sends to another host, `{to}`, which is not followed"),
                &format!("give its URL there (https://{to}/acme/apps.git)"),
            ],
        );
        let shown: Vec<String> = other
            .shown
            .lock()
            .expect("nobody panics")
            .drain(..)
            .collect();
        assert!(shown.iter().all(String::is_empty), "{shown:?}");
        assert_eq!(!shown.is_empty(), is_asked, "{name} {is_before}");
    }
}

#[test]
fn s40_nothing_is_read_from_where_nothing_is_encrypted() {
    let root = hosted();
    let plain = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = plain.local_addr().expect("bound").port();
    let asked = std::thread::spawn(move || {
        let mut texts = vec![];
        for mut stream in plain.incoming().flatten() {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap_or_default();
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            // The client may have gone away.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            if text == "end" {
                break;
            }
            texts.push(text);
        }
        texts
    });
    let host = HttpsHost::start_with(root.path(), TOKEN, move |path, _| {
        status(301, ("location", &format!("http://localhost:{port}{path}")))
    });
    let run = lint(&root, &host, "/acme/apps.git").env("IRSA_GITOPS_GIT_TOKEN", TOKEN);
    says(
        run.run(),
        &[
            "localhost:",
            "nothing is encrypted (http), which is not followed",
            "hint: ",
        ],
    );
    let url = format!("https://localhost:{port}/acme/apps.git");
    says(
        Cli::new(root.path(), &["lint", &url]).run(),
        &[
            &format!("localhost:{port} does not speak TLS at that port"),
            "hint: correct the port",
        ],
    );
    let url = format!("http://localhost:{port}/acme/apps.git");
    let run = Cli::new(root.path(), &["lint", &url]).env("IRSA_GITOPS_GIT_TOKEN", TOKEN);
    let run = run.run().ends(2);
    assert!(
        run.stderr
            .contains(&format!("https://localhost:{port}/acme/apps.git")),
        "{}",
        run.stderr
    );
    let mut end = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    end.write_all(b"end").expect("sent");
    let texts = asked.join().expect("it ends");
    assert!(
        texts.iter().all(|text| !text.contains("uthorization")),
        "{texts:?}"
    );
}

#[test]
fn s39_other_answers_name_the_host_and_what_came() {
    let root = hosted();
    for (answer, parts) in [
        (
            (503, HTML),
            ["answers with status 503", "run it again later"],
        ),
        (
            (429, HTML),
            ["answers with status 429", "run it again later"],
        ),
        ((418, HTML), ["answers with status 418", "check the URL"]),
        (
            (200, ("content-type", "text/plain")),
            [
                "does not answer as a Git host does: invalid content-type: 'text/plain'",
                "git ls-remote",
            ],
        ),
        (
            (
                200,
                (
                    "content-type",
                    "application/x-git-upload-pack-advertisement",
                ),
            ),
            ["does not answer as a Git host does: ", "git ls-remote"],
        ),
        (
            (302, HTML),
            [
                "does not answer as a Git host does: redirect without location",
                "git ls-remote",
            ],
        ),
    ] {
        let host =
            HttpsHost::start_with(root.path(), TOKEN, move |_, _| status(answer.0, answer.1));
        let run = lint(&root, &host, "/acme/apps.git").run();
        says(run, &[&["localhost:"], &parts[..]].concat());
    }
}

#[test]
fn s39_what_a_proxy_answers_is_not_what_the_host_does() {
    let root = hosted();
    for (answer, parts) in [
        (
            "407 No\r\nproxy-authenticate: Basic realm=\"x\"",
            [
                "is not reached: proxy ",
                "hint: give the proxy a name and a password",
            ],
        ),
        (
            "403 No",
            [
                "is not reached: proxy returned unexpected status: 403",
                "hint: correct https_proxy",
            ],
        ),
    ] {
        let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = proxy.local_addr().expect("bound").to_string();
        std::thread::spawn(move || {
            for mut stream in proxy.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let head =
                    format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                // The client may have gone away.
                let _ = stream.write_all(head.as_bytes());
            }
        });
        let url = "https://git.example.com/acme/apps.git";
        let run = || Cli::new(root.path(), &["lint", url]).env("IRSA_GITOPS_GIT_TOKEN", TOKEN);
        let said = [&["git.example.com "], &parts[..]].concat();
        says(
            run().env("https_proxy", format!("http://{place}")).run(),
            &said,
        );
        let config = format!("[http]\n\tproxy = http://me:planted@{place}\n");
        std::fs::write(root.path().join(".gitconfig"), config).expect("written");
        let named = format!("`http://{place}` of http.proxy");
        says(run().run(), &[&said[..], &[&named]].concat());
        std::fs::remove_file(root.path().join(".gitconfig")).expect("removed");
    }
}

#[test]
fn s39_a_host_of_ssh_without_the_repository_says_so_itself() {
    let root = hosted();
    let Some(host) = SshHost::start(root.path()) else {
        return not_run("clones over ssh, because there is no sshd: ci/packages.sh");
    };
    std::fs::create_dir(root.path().join(".ssh")).expect("a directory");
    let line = format!("[127.0.0.1]:{} {}", host.port, host.host_key);
    std::fs::write(root.path().join(".ssh/known_hosts"), line).expect("a file");
    let url = host.url(root.path()).replace("apps.git", "aps.git");
    let key = host.key.to_str().expect("UTF-8");
    let run = Cli::new(root.path(), &["lint", &url, "--ssh-key", key]).run();
    says(
        run,
        &[
            &format!("127.0.0.1:{} answers: ", host.port),
            "does not appear to be a git repository",
            "hint: check the URL; give a key that may read the repository (--ssh-key",
            "`git ls-remote ssh://",
        ],
    );
}
