//! IAM's query API: what a call means to the state, and the XML of replies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use irsa_gitops::iam::Kind;
use irsa_gitops::iam::sandbox::{CreateRole, Refused, Role, State, Tag};
use quick_xml::escape::escape;

use super::{Inner, is_owned};

pub(super) fn code(kind: Kind, message: &str) -> (u16, &'static str) {
    match kind {
        Kind::NoSuchEntity => (404, "NoSuchEntity"),
        Kind::EntityAlreadyExists => (409, "EntityAlreadyExists"),
        Kind::DeleteConflict => (409, "DeleteConflict"),
        Kind::LimitExceeded => (409, "LimitExceeded"),
        Kind::MalformedPolicyDocument => (400, "MalformedPolicyDocument"),
        // What is not of the right form is refused before IAM looks at its meaning.
        _ if message.starts_with("The ID Token") => (400, "InvalidIdentityToken"),
        _ if message.starts_with("Duplicate tag keys") => (400, "InvalidInput"),
        Kind::UnmodifiableEntity => (400, "UnmodifiableEntity"),
        _ => (400, "ValidationError"),
    }
}

pub(super) fn reply(status: u16, text: String) -> Response<Full<Bytes>> {
    let response = Response::builder()
        .status(status)
        .header("content-type", "text/xml");
    response
        .body(Full::new(text.into()))
        .expect("a valid response")
}

pub(super) fn refusal(status: u16, code: &str, message: &str) -> Response<Full<Bytes>> {
    let message = escape(message);
    reply(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        ),
    )
}

pub(super) fn perform(
    action: &str,
    given: &BTreeMap<String, String>,
    inner: &mut Inner,
) -> Result<String, Refused> {
    let text = |key: &str| given.get(key).cloned().unwrap_or_default();
    let name = text("RoleName");
    let state = inner.state.as_mut().expect("always there");
    let writes = [
        "UpdateAssumeRolePolicy",
        "TagRole",
        "UntagRole",
        "UpdateRole",
        "DeleteRole",
    ];
    if writes.contains(&action)
        && let Ok(role) = state.role(&name)
        && !is_owned(role)
    {
        inner.unowned_writes.push(format!("{action} {name}"));
    }
    match action {
        "GetCallerIdentity" => Ok(format!(
            "<Arn>arn:{}:iam::{}:user/test</Arn><UserId>AIDA</UserId><Account>{}</Account>",
            state.partition, state.account, state.account
        )),
        "AssumeRole" | "AssumeRoleWithWebIdentity" => {
            let token = text("WebIdentityToken");
            if action != "AssumeRole" && !token.starts_with("eyJ") || token.contains('\n') {
                return Err(Refused {
                    kind: Kind::InvalidInput,
                    message: "The ID Token provided is not a valid JWT".to_owned(),
                });
            }
            // The next call shows by its key how it came by its credentials.
            let role = text("RoleArn").replace(|c: char| !c.is_ascii_alphanumeric(), "");
            Ok(format!(
                "<Credentials><AccessKeyId>ASIA{role}</AccessKeyId><SecretAccessKey>assumed-secret-key</SecretAccessKey><SessionToken>assumed-session-token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>{0}</Arn></AssumedRoleUser>",
                text("RoleArn")
            ))
        }
        "GetAccountSummary" => {
            let entry = |key: &str, value: u64| {
                format!("<entry><key>{key}</key><value>{value}</value></entry>")
            };
            Ok(format!(
                "<SummaryMap>{}{}{}</SummaryMap>",
                entry("Roles", state.roles.len() as u64),
                entry("RolesQuota", state.quotas.roles),
                entry("AssumeRolePolicySizeQuota", state.quotas.trust_policy_size)
            ))
        }
        "GetOpenIDConnectProvider" => {
            let provider = state.oidc_provider(&text("OpenIDConnectProviderArn"))?;
            let members: String = provider
                .audiences
                .iter()
                .map(|a| format!("<member>{}</member>", escape(a)))
                .collect();
            Ok(format!(
                "<Url>{}</Url><ClientIDList>{members}</ClientIDList>",
                provider.bare_issuer()
            ))
        }
        "ListRoles" => {
            let limit = given
                .get("MaxItems")
                .and_then(|n| n.parse().ok())
                .unwrap_or(100);
            let (page, next) = state.list_roles(given.get("Marker").map(String::as_str), limit)?;
            let members: String = page
                .iter()
                .map(|role| format!("<member>{}</member>", role_xml(state, role, false)))
                .collect();
            Ok(format!("<Roles>{members}</Roles>{}", truncated(next)))
        }
        "GetAccountAuthorizationDetails" => {
            let limit = given
                .get("MaxItems")
                .and_then(|n| n.parse().ok())
                .unwrap_or(100);
            let (page, next) = state.list_roles(given.get("Marker").map(String::as_str), limit)?;
            let members: String = page
                .iter()
                .map(|role| format!("<member>{}</member>", role_xml(state, role, true)))
                .collect();
            Ok(format!(
                "<RoleDetailList>{members}</RoleDetailList>{}",
                truncated(next)
            ))
        }
        "GetRole" => {
            let role = state.role(&name)?.clone();
            Ok(format!("<Role>{}</Role>", role_xml(state, &role, true)))
        }
        "CreateRole" => {
            let role = state.create_role(CreateRole {
                name,
                path: given.get("Path").cloned(),
                trust_policy: text("AssumeRolePolicyDocument"),
                tags: tags(given),
                permissions_boundary: given.get("PermissionsBoundary").cloned(),
                max_session_duration: given.get("MaxSessionDuration").and_then(|s| s.parse().ok()),
            })?;
            Ok(format!("<Role>{}</Role>", role_xml(state, &role, true)))
        }
        "UpdateAssumeRolePolicy" => state
            .update_trust_policy(&name, &text("PolicyDocument"))
            .map(|()| String::new()),
        "TagRole" => state.tag_role(&name, &tags(given)).map(|()| String::new()),
        "UntagRole" => {
            let keys: Vec<String> = given
                .iter()
                .filter(|(k, _)| k.starts_with("TagKeys.member."))
                .map(|(_, v)| v.clone())
                .collect();
            state.untag_role(&name, &keys).map(|()| String::new())
        }
        "UpdateRole" => state
            .update_session_duration(&name, text("MaxSessionDuration").parse().unwrap_or(0))
            .map(|()| String::new()),
        "DeleteRole" => state.delete_role(&name).map(|()| String::new()),
        "ListAttachedRolePolicies" => {
            let role = state.role(&name)?;
            let members: String = role
                .attached_policies
                .iter()
                .map(|arn| {
                    format!(
                        "<member><PolicyArn>{0}</PolicyArn><PolicyName>{0}</PolicyName></member>",
                        escape(arn)
                    )
                })
                .collect();
            Ok(format!(
                "<AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated>"
            ))
        }
        "ListRolePolicies" => {
            let role = state.role(&name)?;
            let members: String = role
                .inline_policies
                .iter()
                .map(|name| format!("<member>{}</member>", escape(name)))
                .collect();
            Ok(format!(
                "<PolicyNames>{members}</PolicyNames><IsTruncated>false</IsTruncated>"
            ))
        }
        "ListInstanceProfilesForRole" => {
            let role = state.role(&name)?;
            let members: String = role.instance_profiles.iter().map(|name| format!("<member><Path>/</Path><InstanceProfileName>{0}</InstanceProfileName><InstanceProfileId>AIPA</InstanceProfileId><Arn>arn:aws:iam::123456789012:instance-profile/{0}</Arn><CreateDate>2024-01-01T00:00:00Z</CreateDate><Roles/></member>", escape(name))).collect();
            Ok(format!(
                "<InstanceProfiles>{members}</InstanceProfiles><IsTruncated>false</IsTruncated>"
            ))
        }
        _ => Err(Refused {
            kind: Kind::InvalidInput,
            message: format!("unknown action {action}"),
        }),
    }
}

fn truncated(marker: Option<String>) -> String {
    match marker {
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
        Some(marker) => format!(
            "<IsTruncated>true</IsTruncated><Marker>{}</Marker>",
            escape(&marker)
        ),
    }
}

pub(super) fn tags(given: &BTreeMap<String, String>) -> Vec<Tag> {
    let mut tags = Vec::new();
    for number in 1.. {
        let Some(key) = given.get(&format!("Tags.member.{number}.Key")) else {
            break;
        };
        let value = given
            .get(&format!("Tags.member.{number}.Value"))
            .cloned()
            .unwrap_or_default();
        tags.push(Tag {
            key: key.clone(),
            value,
        });
    }
    tags
}

fn role_xml(state: &State, role: &Role, full: bool) -> String {
    let mut xml = format!(
        "<Path>{}</Path><RoleName>{}</RoleName><RoleId>{}</RoleId><Arn>{}</Arn><CreateDate>{}</CreateDate><AssumeRolePolicyDocument>{}</AssumeRolePolicyDocument><MaxSessionDuration>{}</MaxSessionDuration>",
        escape(&role.path),
        escape(&role.name),
        escape(&role.id),
        escape(state.arn(role)),
        role.create_date,
        role.encoded_trust_policy(),
        role.max_session_duration,
    );
    if full {
        let tags: String = role
            .tags
            .iter()
            .map(|tag| {
                format!(
                    "<member><Key>{}</Key><Value>{}</Value></member>",
                    escape(&tag.key),
                    escape(&tag.value)
                )
            })
            .collect();
        write!(xml, "<Tags>{tags}</Tags>").expect("a String takes all text");
        if let Some(boundary) = &role.permissions_boundary {
            write!(xml, "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>{}</PermissionsBoundaryArn></PermissionsBoundary>", escape(boundary)).expect("a String takes all text");
        }
        // An empty text stands for what IAM says of a role that was never used.
        if role.last_used.as_deref() == Some("") {
            xml.push_str("<RoleLastUsed/>");
        } else if let Some(used) = &role.last_used {
            write!(xml, "<RoleLastUsed><LastUsedDate>{used}</LastUsedDate><Region>eu-west-1</Region></RoleLastUsed>").expect("a String takes all text");
        }
    }
    xml
}
