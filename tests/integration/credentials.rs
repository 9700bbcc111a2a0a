//! How the program comes by credentials, and whom it asks: the real host names, without any
//! endpoint in the environment.

use crate::support::cloud::*;

/// Runs `plan` in every case and compares whom it asks.
#[track_caller]
fn check(partition: &str, cases: &[Case<'_>]) {
    for case in cases {
        let cloud = Cloud::new(partition);
        let run = cloud.run(case);
        let asked = cloud.asked();
        assert_eq!(run.code, 0, "{}: {}\n{asked:?}", case.name, run.stderr);
        let (sts, at_sts) = case.sts;
        let (iam, at_iam) = case.iam;
        let login = |login: &&str| match *login {
            WEB => format!("{sts} {WEB} unsigned"),
            other => format!("{sts} {other} {at_sts}"),
        };
        let expected: Vec<String> = case.logins.iter().map(login).collect();
        let (logins, calls) = asked.split_at(expected.len().min(asked.len()));
        assert_eq!(logins, expected, "{}", case.name);
        // Both are sent at once.
        let mut first: Vec<&str> = calls.iter().take(2).map(String::as_str).collect();
        first.sort_by_key(|call| call.contains("ListRoles"));
        let caller = format!("{sts} GetCallerIdentity {at_sts}");
        let listing = format!("{iam} ListRoles {at_iam}");
        assert_eq!(first, [&caller, &listing], "{}", case.name);
    }
}

#[test]
fn a37_every_way_to_credentials_leads_to_the_hosts_of_the_region() {
    let keys_in_region = &[KEYS[0], KEYS[1], REGION[0]];
    let ambient_in_region = &[AMBIENT[0], AMBIENT[1], REGION[0]];
    check(
        "aws",
        &[
            Case {
                name: "flags, AWS_REGION",
                arguments: FLAGS,
                environment: REGION,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, --region",
                arguments: &[
                    FLAGS[0],
                    FLAGS[1],
                    FLAGS[2],
                    FLAGS[3],
                    "--region",
                    "eu-west-1",
                ],
                environment: &[("AWS_REGION", "us-west-2")],
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, the profile's region",
                arguments: FLAGS,
                profile: "[default]\nregion = eu-west-1\n",
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, an empty AWS_REGION",
                arguments: FLAGS,
                environment: &[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")],
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags over keys",
                arguments: FLAGS,
                environment: keys_in_region,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "flags, role",
                arguments: FLAGS_AND_ROLE,
                environment: REGION,
                logins: &[WEB, ASSUME],
                ..BASE
            },
            Case {
                name: "environment",
                environment: ambient_in_region,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "environment, role",
                arguments: ROLE,
                environment: ambient_in_region,
                logins: &[WEB, ASSUME],
                ..BASE
            },
            Case {
                name: "web profile",
                profile: WEB_PROFILE,
                environment: REGION,
                logins: &[WEB],
                ..BASE
            },
            Case {
                name: "source profile",
                profile: SOURCE_PROFILE,
                environment: REGION,
                logins: &[ASSUME],
                ..BASE
            },
            Case {
                name: "keys",
                environment: keys_in_region,
                ..BASE
            },
            Case {
                name: "keys, role",
                arguments: ROLE,
                environment: keys_in_region,
                logins: &[ASSUME],
                ..BASE
            },
        ],
    );
}

#[test]
fn a38_without_a_region_the_default_one_serves_every_way_to_credentials() {
    check(
        "aws",
        &[
            Case {
                name: "flags",
                arguments: FLAGS,
                logins: &[WEB],
                sts: US,
                ..BASE
            },
            Case {
                name: "flags, role",
                arguments: FLAGS_AND_ROLE,
                logins: &[WEB, ASSUME],
                sts: US,
                ..BASE
            },
            Case {
                name: "environment",
                environment: AMBIENT,
                logins: &[WEB],
                sts: US,
                ..BASE
            },
            Case {
                name: "environment, role",
                arguments: ROLE,
                environment: AMBIENT,
                logins: &[WEB, ASSUME],
                sts: US,
                ..BASE
            },
            Case {
                name: "web profile",
                profile: WEB_PROFILE,
                logins: &[WEB],
                sts: US,
                ..BASE
            },
            Case {
                name: "source profile",
                profile: SOURCE_PROFILE,
                logins: &[ASSUME],
                sts: US,
                ..BASE
            },
            Case {
                name: "keys",
                environment: KEYS,
                sts: US,
                ..BASE
            },
            Case {
                name: "keys, role",
                arguments: ROLE,
                environment: KEYS,
                logins: &[ASSUME],
                sts: US,
                ..BASE
            },
        ],
    );
}

#[test]
fn a38_other_partitions_have_hosts_of_their_own() {
    let china = Case {
        sts: ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        iam: ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ..BASE
    };
    let flags: &[&str] = &[
        "--token-path",
        "TOKEN",
        "--role-arn",
        "arn:aws-cn:iam::123456789012:role/ci",
    ];
    check(
        "aws-cn",
        &[
            Case {
                name: "China",
                arguments: flags,
                environment: &[("AWS_REGION", "cn-north-1")],
                logins: &[WEB],
                ..china
            },
            Case {
                name: "China by its role",
                arguments: flags,
                logins: &[WEB],
                ..china
            },
            Case {
                name: "China by the role to assume",
                arguments: &["--assume-role", "arn:aws-cn:iam::123456789012:role/x"],
                environment: KEYS,
                logins: &[ASSUME],
                ..china
            },
            Case {
                name: "China by AWS_ROLE_ARN",
                environment: &[
                    AMBIENT[0],
                    ("AWS_ROLE_ARN", "arn:aws-cn:iam::123456789012:role/ci"),
                ],
                logins: &[WEB],
                ..china
            },
        ],
    );
    let gov = Case {
        sts: ("sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        iam: ("iam.us-gov.amazonaws.com", "us-gov-west-1"),
        logins: &[WEB],
        ..BASE
    };
    let flags: &[&str] = &[
        "--token-path",
        "TOKEN",
        "--role-arn",
        "arn:aws-us-gov:iam::123456789012:role/ci",
    ];
    check(
        "aws-us-gov",
        &[
            Case {
                name: "GovCloud",
                arguments: flags,
                environment: &[("AWS_REGION", "us-gov-west-1")],
                ..gov
            },
            Case {
                name: "GovCloud by its role",
                arguments: flags,
                ..gov
            },
        ],
    );
}

#[test]
fn a37_fips_and_dual_stack_hold_for_every_call() {
    let fips = Case {
        name: "FIPS",
        environment: &[
            ("AWS_REGION", "us-west-2"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
        ],
        sts: ("sts-fips.us-west-2.amazonaws.com", "us-west-2"),
        iam: ("iam-fips.amazonaws.com", "us-east-1"),
        ..BASE
    };
    let dual = Case {
        name: "dual-stack",
        environment: &[
            ("AWS_REGION", "eu-west-1"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ],
        sts: ("sts.eu-west-1.api.aws", "eu-west-1"),
        iam: ("iam.global.api.aws", "us-east-1"),
        ..BASE
    };
    check(
        "aws",
        &[
            Case {
                arguments: FLAGS,
                logins: &[WEB],
                ..fips
            },
            Case {
                arguments: FLAGS_AND_ROLE,
                logins: &[WEB, ASSUME],
                ..fips
            },
            Case {
                profile: WEB_PROFILE,
                logins: &[WEB],
                ..fips
            },
            Case {
                arguments: FLAGS,
                logins: &[WEB],
                ..dual
            },
            Case {
                arguments: ROLE,
                profile: SOURCE_PROFILE,
                logins: &[ASSUME],
                ..dual
            },
        ],
    );
}
