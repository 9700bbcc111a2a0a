//! Git hosts on loopback: https behind a made-up certificate authority, and ssh.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// `git http-backend` behind TLS; wants a token.
pub struct HttpsHost {
    pub url: String,
    /// The certificate authority, in PEM.
    pub authority: PathBuf,
    /// The `Authorization` headers that came in.
    pub shown: Arc<Mutex<Vec<String>>>,
    /// What was asked by those who were let in: method, path and query, and the body.
    pub asked: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl HttpsHost {
    /// Serves the repositories below a directory; `redirect` sends everybody elsewhere instead.
    pub fn start(root: &Path, token: &str, redirect: Option<String>) -> Self {
        let elsewhere = move |path: &str, _: bool| {
            let target = redirect.as_ref()?;
            Some(Answer {
                status: 301,
                header: ("location", format!("{target}{path}")),
                body: "",
            })
        };
        Self::start_with(root, token, elsewhere)
    }

    /// The same, but that some are answered in another way: by path and query, and by whether they
    /// show a credential.
    pub fn start_with(
        root: &Path,
        token: &str,
        otherwise: impl Fn(&str, bool) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        // By its name it is looked for among several.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(
            rcgen::DnType::CommonName,
            format!("a test's authority {number}"),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let file = root.join("authority.pem");
        std::fs::write(&file, authority.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let shown: Arc<Mutex<Vec<String>>> = Arc::default();
        let asked: Arc<Mutex<Vec<(String, Bytes)>>> = Arc::default();
        let host = Arc::new(Host {
            root: root.to_owned(),
            token: token.to_owned(),
            otherwise: Box::new(otherwise),
            shown: shown.clone(),
            asked: asked.clone(),
        });
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                sender
                    .send(listener.local_addr().expect("bound").port())
                    .expect("the test waits");
                loop {
                    let Ok((stream, _)) = listener.accept().await else {
                        continue;
                    };
                    let (acceptor, host) = (acceptor.clone(), host.clone());
                    tokio::spawn(async move {
                        // A client that only looks whether somebody is there says nothing.
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        let service = service_fn(|request| answer(request, host.clone()));
                        let connection = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service);
                        let _ = connection.await;
                    });
                }
            });
        });
        let port = receiver.recv().expect("the host starts");
        Self {
            url: format!("https://localhost:{port}"),
            authority: file,
            shown,
            asked,
        }
    }
}

/// What comes in place of what `git http-backend` says.
pub struct Answer {
    pub status: u16,
    pub header: (&'static str, String),
    pub body: &'static str,
}

type Otherwise = dyn Fn(&str, bool) -> Option<Answer> + Send + Sync;

struct Host {
    root: PathBuf,
    token: String,
    otherwise: Box<Otherwise>,
    shown: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<(String, Bytes)>>>,
}

async fn answer(
    request: Request<Incoming>,
    host: Arc<Host>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let status = |code: u16| Response::builder().status(code);
    let empty = || Full::new(Bytes::new());
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let authorization = header("authorization");
    host.shown
        .lock()
        .expect("nobody panics")
        .push(authorization.clone());
    let path = request.uri().to_string();
    if let Some(answer) = (host.otherwise)(&path, !authorization.is_empty()) {
        let (name, value) = answer.header;
        return status(answer.status)
            .header(name, value)
            .body(Full::new(answer.body.into()))
            .map_err(std::io::Error::other);
    }
    let decoded = authorization
        .strip_prefix("Basic ")
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    let password =
        decoded.and_then(|text| Some(String::from_utf8(text).ok()?.split_once(':')?.1.to_owned()));
    if password.as_deref() != Some(host.token.as_str()) {
        return status(401)
            .header("www-authenticate", "Basic realm=\"git\"")
            .body(empty())
            .map_err(std::io::Error::other);
    }
    let mut backend = tokio::process::Command::new("git");
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &host.root)
        .env("GIT_HTTP_EXPORT_ALL", "1");
    backend
        .env("REQUEST_METHOD", request.method().as_str())
        .env("PATH_INFO", request.uri().path());
    backend
        .env("QUERY_STRING", request.uri().query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"));
    backend
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("REMOTE_USER", "x");
    backend
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    let line = format!("{} {}", request.method(), request.uri());
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    host.asked
        .lock()
        .expect("nobody panics")
        .push((line, body.clone()));
    backend
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = backend.spawn()?;
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&body).await?;
    drop(stdin);
    let output = child.wait_with_output().await?.stdout;
    let end = output
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut response = status(200);
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        response = match name {
            "Status" => response.status(
                value
                    .get(..3)
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(500_u16),
            ),
            _ => response.header(name, value),
        };
    }
    response
        .body(Full::new(output[end + 4..].to_vec().into()))
        .map_err(std::io::Error::other)
}

/// An sshd of one's own; it ends with the test.
pub struct SshHost {
    child: Child,
    pub port: u16,
    /// The private key that is let in.
    pub key: PathBuf,
    /// The host's public key, as `ssh-keygen` writes it.
    pub host_key: String,
}

impl SshHost {
    /// Starts one; `None` where there is no sshd.
    pub fn start(directory: &Path) -> Option<Self> {
        Self::start_with(directory, "")
    }

    /// Starts one with a further line in its configuration.
    pub fn start_with(directory: &Path, line: &str) -> Option<Self> {
        let sshd = Path::new("/usr/sbin/sshd");
        if !sshd.exists() {
            return None;
        }
        let generate = |name: &str| {
            let file = directory.join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&file)
                .status();
            assert!(made.expect("ssh-keygen can be run").success());
            file
        };
        let (host, key) = (generate("host_key"), generate("id_ed25519"));
        std::fs::copy(key.with_extension("pub"), directory.join("authorized_keys"))
            .expect("a copy");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a port")
            .port();
        let config = directory.join("sshd_config");
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n{line}\n",
            host.display(),
            directory.join("authorized_keys").display(),
        );
        std::fs::write(&config, text).expect("a file");
        // Where Debian's sshd wants its empty directory; only root can make it, and only root needs it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Command::new(sshd)
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd can be run");
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "sshd does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let host_key = std::fs::read_to_string(host.with_extension("pub")).expect("a public key");
        Some(Self {
            child,
            port,
            key,
            host_key,
        })
    }
}

impl SshHost {
    /// The URL of a repository below a directory, for the user that runs this.
    pub fn url(&self, root: &Path) -> String {
        let user = Command::new("id").arg("-un").output();
        let user = user.expect("id can be run").stdout;
        let user = String::from_utf8(user).expect("UTF-8");
        let (user, port, root) = (user.trim(), self.port, root.display());
        format!("ssh://{user}@127.0.0.1:{port}{root}/acme/apps.git")
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        // It is gone already if it could not be started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
