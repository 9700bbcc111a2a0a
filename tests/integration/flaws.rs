//! What is given for access to AWS and cannot be what it is given as.

use serde_json::json;

use crate::support::cli::Run;
use crate::support::cloud::*;

/// Ends with 6, and names a word of the reason on one line, without any secret or a bug.
#[track_caller]
fn refused(run: &Run, reason: &str) {
    assert_eq!(run.code, 6, "{}", run.stderr);
    let message = run.json()["error"]["message"].as_str().map(str::to_owned);
    let message = message.unwrap_or_default();
    assert!(message.contains(reason), "{reason}: {message}");
    for secret in ["PLANTED", "planted", "internal error", "panicked"] {
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
        assert!(!run.stdout.contains(secret), "{}", run.stdout);
    }
}

#[test]
fn a41_credentials_that_cannot_be_any_are_named_and_never_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let cloud = Cloud::new("aws");
    let base = || {
        let run = cloud.cli(&[]).env("SSL_CERT_FILE", &cloud.proxy.authority);
        let run = run.env("AWS_CONFIG_FILE", cloud.directory.path().join("config"));
        run.env("AWS_REGION", "eu-west-1")
    };
    let keys = || base().env(KEYS[0].0, KEYS[0].1).env(KEYS[1].0, KEYS[1].1);
    for (name, bytes, reason) in [
        (
            "AWS_ACCESS_KEY_ID",
            &b"AKIAPLANTED\n"[..],
            "AWS_ACCESS_KEY_ID ends with a line break",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIA\r\nPLANTED",
            "AWS_ACCESS_KEY_ID has a line break",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIA\x01PLANTED",
            "AWS_ACCESS_KEY_ID has a control",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIA PLANTED",
            "AWS_ACCESS_KEY_ID has white space",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            "AKIAPLANTÉD".as_bytes(),
            "AWS_ACCESS_KEY_ID has a character",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            b"AKIAPLANTED\xff",
            "AWS_ACCESS_KEY_ID is not text",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            b"planted-secret\n",
            "AWS_SECRET_ACCESS_KEY ends with",
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            b"planted\xff",
            "AWS_SECRET_ACCESS_KEY is not text",
        ),
        (
            "AWS_SESSION_TOKEN",
            b"planted\ntoken",
            "AWS_SESSION_TOKEN has a line break",
        ),
        (
            "AWS_SESSION_TOKEN",
            b"planted\x7f",
            "AWS_SESSION_TOKEN has a control",
        ),
        (
            "AWS_REGION",
            b"eu-west-1\n",
            "`eu-west-1\\n` is not an AWS region",
        ),
        ("AWS_REGION", b"Ireland", "`Ireland` is not an AWS region"),
        ("AWS_REGION", b"eu\xff", "AWS_REGION is not text"),
        ("AWS_ENDPOINT_URL", b"", "AWS_ENDPOINT_URL is empty"),
        ("AWS_ENDPOINT_URL_STS", b"", "AWS_ENDPOINT_URL_STS is empty"),
        (
            "AWS_ENDPOINT_URL_IAM",
            b"http://planted:x@y\n",
            "AWS_ENDPOINT_URL_IAM ends with",
        ),
    ] {
        let run = keys().env(name, OsStr::from_bytes(bytes)).run();
        refused(&run, reason);
    }
    assert_eq!(cloud.asked(), Vec::<String>::new(), "nothing was sent");
}

#[test]
fn a41_so_are_those_of_profiles_processes_and_token_files() {
    let printed =
        json!({ "Version": 1, "AccessKeyId": "AKIAPLANTED\n", "SecretAccessKey": "planted" });
    let bad = format!("credential_process = printf %s '{printed}'\n");
    let role = "role_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = base\n";
    let keys = "aws_access_key_id = AKIA\n  x = PLANTED\naws_secret_access_key = planted\n";
    let web = "web_identity_token_file = TOKEN\nrole_arn = arn:aws:iam::123456789012:role/ci\n";
    let plain = Case {
        environment: REGION,
        ..BASE
    };
    for (profile, reason) in [
        (
            format!("[default]\n{bad}"),
            "that credential_process printed",
        ),
        (format!("[default]\n{keys}"), "of the profile"),
        (
            format!("[default]\n{role}[profile base]\n{bad}"),
            "a role is to be assumed with",
        ),
        (
            format!("[default]\n{role}[profile base]\n{keys}"),
            "a role is to be assumed with",
        ),
        (
            "[default]\nregion = eu west\n".to_owned(),
            "`eu west` is not an AWS region",
        ),
    ] {
        let cloud = Cloud::new("aws");
        let environment = if reason.contains("region") {
            KEYS
        } else {
            REGION
        };
        let run = cloud.run(&Case {
            profile: &profile,
            environment,
            ..plain
        });
        assert_eq!(cloud.asked(), Vec::<String>::new(), "{profile}");
        refused(&run, reason);
    }
    let ambient_in_region = &[AMBIENT[0], AMBIENT[1], REGION[0]];
    for (token, flags) in [
        ("eyJhbGciOiJub25lIn0.e30.e30\r\n", None),
        ("", Some("is empty")),
        (
            "eyJhbGciOiJub25lIn0\n.e30",
            Some("something else than one token"),
        ),
    ] {
        let cloud = Cloud::new("aws");
        std::fs::write(cloud.directory.path().join("token"), token).expect("a file");
        let run = cloud.run(&Case {
            arguments: FLAGS,
            ..plain
        });
        match flags {
            None => assert_eq!(run.code, 0, "{}", run.stderr),
            Some(reason) => refused(&run, reason),
        }
        let run = cloud.run(&Case {
            environment: ambient_in_region,
            ..plain
        });
        refused(&run, "of AWS_WEB_IDENTITY_TOKEN_FILE");
        let run = cloud.run(&Case {
            profile: web,
            ..plain
        });
        refused(&run, "");
    }
}

#[test]
fn a40_the_authorities_of_aws_ca_bundle_vouch_for_aws() {
    let cloud = Cloud::new("aws");
    let file = |name: &str, text: &str| {
        let file = cloud.directory.path().join(name);
        std::fs::write(&file, text).expect("a file");
        file
    };
    let authority = std::fs::read_to_string(&cloud.proxy.authority).expect("PEM");
    let half = &authority[..authority.len() / 2];
    let broken = authority.replacen("MII", "MIJ", 1);
    let run = |bundle: &std::path::Path| {
        let run = cloud.cli(&[]).env("AWS_CA_BUNDLE", bundle);
        let run = run.env(KEYS[0].0, KEYS[0].1).env(KEYS[1].0, KEYS[1].1);
        run.env("AWS_REGION", "eu-west-1").run()
    };
    for (name, text, reason) in [
        ("none", "", "is not a list of certificates"),
        ("text", "authority", "is not a list of certificates"),
        ("half", half, "is not a list of certificates"),
        ("broken", broken.as_str(), "is not a list of certificates"),
    ] {
        refused(&run(&file(name, text)), reason);
    }
    refused(&run(std::path::Path::new("/nowhere.pem")), "cannot be read");
    assert_eq!(cloud.asked(), Vec::<String>::new());
    run(&file("two", &format!("# Ours\n{authority}\n{authority}"))).ends(0);
    let case = Case {
        arguments: FLAGS_AND_ROLE,
        environment: &[
            ("SSL_CERT_FILE", "/nowhere.pem"),
            ("AWS_CA_BUNDLE", "AUTHORITY"),
        ],
        ..BASE
    };
    assert_eq!(cloud.run(&case).code, 0);
    // The machine's authorities do not vouch for the proxy, and an empty variable is one not set.
    let case = Case {
        environment: &[KEYS[0], KEYS[1], ("AWS_CA_BUNDLE", "")],
        ..BASE
    };
    assert_eq!(cloud.run(&case).code, 0, "SSL_CERT_FILE");
}
