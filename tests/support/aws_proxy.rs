//! AWS behind a proxy: every host name that is asked for is answered, over TLS, by the IAM server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::cli::Cli;
use super::iam_server::IamServer;

/// A running proxy; it ends with the test.
pub struct AwsProxy {
    url: String,
    /// The certificate authority that vouches for every host, in PEM.
    pub authority: PathBuf,
}

impl AwsProxy {
    /// Puts a server where AWS is, for whoever goes by the proxy.
    pub fn start(server: &IamServer, directory: &Path) -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "a proxy's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let authority = directory.join("proxy.pem");
        std::fs::write(&authority, issuer.pem()).expect("a file");
        let issuer = Arc::new(issuer);
        let backend = server.url.trim_start_matches("http://").to_owned();
        let (sender, receiver) = std::sync::mpsc::channel();
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
                    let (issuer, backend) = (issuer.clone(), backend.clone());
                    // A connection that breaks is the client's affair.
                    tokio::spawn(async move { tunnel(stream, &issuer, &backend).await });
                }
            });
        });
        let address = receiver.recv().expect("the proxy starts");
        Self {
            url: format!("http://{address}"),
            authority,
        }
    }

    /// Sends a run this way.
    pub fn serves(&self, run: Cli) -> Cli {
        run.env("HTTPS_PROXY", &self.url)
    }
}

/// Answers CONNECT in the name of the host, and passes on what is said.
async fn tunnel(
    stream: TcpStream,
    issuer: &CertifiedIssuer<'static, KeyPair>,
    backend: &str,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let host = head.split([' ', ':']).nth(1).unwrap_or_default().to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![host]).map_err(std::io::Error::other)?;
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    let mut inside = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    let mut server = TcpStream::connect(backend).await?;
    tokio::io::copy_bidirectional(&mut inside, &mut server).await?;
    Ok(())
}
