//! The sandbox behind IAM's query API on loopback: counts calls, injects faults, and remembers
//! every write to a role that was not ours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use irsa_gitops::iam::sandbox::{Refused, Role, State, Tag};
use irsa_gitops::plan::record::APPLIED;
use tokio::net::TcpListener;

mod wire;

use wire::{code, perform, refusal, reply, tags};

/// What happens to one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is closed and nothing is done.
    NotSent,
    /// It is done, and the connection is closed instead of a reply.
    LostReply,
    /// Refused with a status and IAM's code.
    Refused(u16, &'static str),
    /// Answered with this status and text instead of IAM's XML; nothing is done.
    Garbage(u16, &'static str),
    /// Done after a while.
    Delayed(Duration),
    /// Something else happens to the state first.
    Before(fn(&mut State)),
}

/// A fault at the n-th call of an action, counted from 1; 0 means every call. `TagRole` means the
/// calls about roles of ServiceAccounts, `TagRole record` those about the cluster's record, and
/// `CreateRole lock` those about its locks; `GetRole NAME` means every call about that role.
pub type Script = Vec<(&'static str, usize, Fault)>;

/// What the record of the test cluster is called.
pub const RECORD: &str = "k8s-sa_=prod";

/// What the names of its locks start with.
pub const LOCK: &str = "k8s-sa_=prod=";

/// Whether a role is the program's own: the record or a lock.
pub fn is_own(name: &str) -> bool {
    name == RECORD || name.starts_with(LOCK)
}

/// The role that was made first, the program's own aside.
pub fn first(state: &mut State) -> &mut Role {
    let mut roles = state.roles.iter_mut();
    let found = roles.find(|role| !is_own(&role.name));
    found.expect("a role of a ServiceAccount")
}

#[derive(Default)]
struct Inner {
    state: Option<State>,
    script: Script,
    calls: Vec<String>,
    counts: BTreeMap<String, usize>,
    unowned_writes: Vec<String>,
    requests: Vec<Seen>,
}

/// A call as it came in, and the role that it is about as that was then.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The host that was asked.
    pub host: String,
    /// With whose key it is signed and for which region: `KEY/DATE/REGION/SERVICE/aws4_request`.
    pub scope: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub role: Option<Role>,
}

impl Seen {
    /// The tags that it brings.
    pub fn tags(&self) -> Vec<Tag> {
        tags(&self.parameters)
    }
}

/// A running server; it ends with the test.
#[derive(Clone)]
pub struct IamServer {
    inner: Arc<Mutex<Inner>>,
    pub url: String,
}

impl IamServer {
    /// Starts a server over a state.
    pub fn start(state: State) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            state: Some(state),
            ..Inner::default()
        }));
        let (sender, receiver) = std::sync::mpsc::channel();
        let shared = inner.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                sender
                    .send(listener.local_addr().expect("bound"))
                    .expect("the test waits");
                loop {
                    let Ok((stream, _)) = listener.accept().await else {
                        continue;
                    };
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        let service = service_fn(|request| answer(request, shared.clone()));
                        let connection = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service);
                        // A fault ends the connection with an error on purpose.
                        let _ = connection.await;
                    });
                }
            });
        });
        let address = receiver.recv().expect("the server starts");
        Self {
            inner,
            url: format!("http://{address}"),
        }
    }

    /// A server for the test cluster's account without roles.
    pub fn empty() -> Self {
        let state = serde_json::json!({
            "account": "123456789012",
            "quotas": { "roles": 10_000 },
            "oidcProviders": [{ "issuer": super::cli::ISSUER, "audiences": ["sts.amazonaws.com"] }],
        });
        Self::start(serde_json::from_value(state).expect("a state"))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while holding it")
    }

    /// Sets the faults to come, and counts from here.
    pub fn script(&self, script: Script) {
        let mut inner = self.inner();
        inner.script = script;
        inner.counts.clear();
        inner.calls.clear();
    }

    /// The actions called since the script was set.
    pub fn calls(&self) -> Vec<String> {
        self.inner().calls.clone()
    }

    /// Every call there ever was.
    pub fn requests(&self) -> Vec<Seen> {
        self.inner().requests.clone()
    }

    /// The calls among them that change something, but for locks.
    pub fn writes(&self) -> Vec<String> {
        let reads = [
            "AssumeRole",
            "AssumeRoleWithWebIdentity",
            "GetCallerIdentity",
            "ListRoles",
            "GetRole",
            "GetOpenIDConnectProvider",
            "GetAccountSummary",
            "GetAccountAuthorizationDetails",
            "ListAttachedRolePolicies",
            "ListRolePolicies",
            "ListInstanceProfilesForRole",
        ];
        let calls = self.calls().into_iter();
        calls
            .filter(|call| !reads.contains(&call.split(' ').next().unwrap_or_default()))
            .filter(|call| !call.contains(LOCK))
            .collect()
    }

    /// The writes among them to roles of ServiceAccounts.
    pub fn role_writes(&self) -> Vec<String> {
        let mut writes = self.writes();
        writes.retain(|call| !call.ends_with(RECORD));
        writes
    }

    /// The roles of ServiceAccounts.
    pub fn roles(&self) -> Vec<Role> {
        let mut roles = self.state(|state| state.roles.clone());
        roles.retain(|role| !is_own(&role.name));
        roles
    }

    /// The locks that there are.
    pub fn locks(&self) -> Vec<Role> {
        let mut roles = self.state(|state| state.roles.clone());
        roles.retain(|role| role.name.starts_with(LOCK));
        roles
    }

    /// What the record says was applied last, if there is one.
    pub fn recorded(&self) -> Option<String> {
        self.state(|state| recorded(state))
    }

    /// Writes to roles that did not carry all ownership tags.
    pub fn unowned_writes(&self) -> Vec<String> {
        self.inner().unowned_writes.clone()
    }

    /// Looks at the state, or changes it.
    pub fn state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(self.inner().state.as_mut().expect("always there"))
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Mutex<Inner>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let host = header("host").unwrap_or_default();
    let scope = header("authorization").and_then(|text| {
        let scope = text.split_once("Credential=")?.1;
        Some(scope.split(',').next()?.to_owned())
    });
    let body = request.into_body().collect().await;
    let body = body.map_err(std::io::Error::other)?.to_bytes();
    let parameters: BTreeMap<String, String> =
        url::form_urlencoded::parse(&body).into_owned().collect();
    let action = parameters.get("Action").cloned().unwrap_or_default();
    let fault = {
        let mut inner = shared.lock().expect("no test panics while holding it");
        let name = parameters.get("RoleName").cloned().unwrap_or_default();
        let scripted = match name.as_str() {
            RECORD => format!("{action} record"),
            lock if lock.starts_with(LOCK) => format!("{action} lock"),
            _ => action.clone(),
        };
        let count = inner.counts.entry(scripted.clone()).or_default();
        *count += 1;
        let count = *count;
        inner
            .calls
            .push(format!("{action} {name}").trim().to_owned());
        let role = inner
            .state
            .as_ref()
            .and_then(|state| state.role(&name).ok());
        let role = role.cloned();
        inner.requests.push(Seen {
            host,
            scope,
            parameters: parameters.clone(),
            role,
        });
        let fault = inner.script.iter().find(|(of, nth, _)| {
            let called = of.split_once(' ') == Some((action.as_str(), name.as_str()));
            called || (*of == scripted && (*nth == 0 || *nth == count))
        });
        fault.map(|(_, _, fault)| fault.clone())
    };
    let closed = || std::io::Error::other("closed by the script");
    match &fault {
        Some(Fault::NotSent) => return Err(closed()),
        Some(Fault::Refused(status, code)) => return Ok(refusal(*status, code, "by the script")),
        Some(Fault::Garbage(status, text)) => return Ok(reply(*status, (*text).to_owned())),
        Some(Fault::Delayed(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Before(change)) => {
            change(
                shared
                    .lock()
                    .expect("no test panics while holding it")
                    .state
                    .as_mut()
                    .expect("always there"),
            );
        }
        Some(Fault::LostReply) | None => {}
    }
    let done = perform(
        &action,
        &parameters,
        &mut shared.lock().expect("no test panics while holding it"),
    );
    if matches!(fault, Some(Fault::LostReply)) {
        return Err(closed());
    }
    Ok(match done {
        Ok(result) => {
            let namespace = if action == "GetCallerIdentity" || action.starts_with("AssumeRole") {
                "https://sts.amazonaws.com/doc/2011-06-15/"
            } else {
                "https://iam.amazonaws.com/doc/2010-05-08/"
            };
            reply(
                200,
                format!(
                    "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
                ),
            )
        }
        Err(Refused { kind, message }) => {
            let (status, code) = code(kind, &message);
            refusal(status, code, &message)
        }
    })
}

/// The commit that the test cluster's record says was applied last; an empty text if it says none.
pub fn recorded(state: &State) -> Option<String> {
    let record = state.roles.iter().find(|role| role.name == RECORD)?;
    let applied = record.tags.iter().find(|tag| tag.key == APPLIED);
    let words = applied.map(|tag| tag.value.as_str()).unwrap_or_default();
    Some(words.split('@').next().unwrap_or_default().to_owned())
}

/// Whether a role carries everything that makes it the test cluster's.
pub fn is_owned(role: &Role) -> bool {
    let tag = |key: &str| {
        role.tags
            .iter()
            .find(|t| t.key.eq_ignore_ascii_case(key))
            .map(|t| t.value.as_str())
    };
    // The record and the locks are nobody's roles, and have no stack.
    if is_own(&role.name) {
        return role.path == "/"
            && tag("role.k8s.aws/managed-by") == Some("iam-service-account-controller")
            && tag("role.k8s.aws/cluster") == Some("prod");
    }
    let pair = role
        .name
        .strip_prefix("k8s-sa_")
        .and_then(|pair| pair.split_once('_'));
    let stack = pair.map(|(namespace, name)| format!("{namespace}/{name}"));
    role.path == "/"
        && stack.is_some()
        && tag("serviceaccount.k8s.aws/stack") == stack.as_deref()
        && tag("role.k8s.aws/managed-by") == Some("iam-service-account-controller")
        && tag("role.k8s.aws/cluster") == Some("prod")
}

/// The roles of ServiceAccounts: all but the record.
pub fn roles(state: &mut State) -> Vec<&mut Role> {
    let all = state.roles.iter_mut();
    all.filter(|role| !role.name.contains('=')).collect()
}
