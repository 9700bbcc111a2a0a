//! Who vouches for AWS: the authorities of the machine, or those of `AWS_CA_BUNDLE`.
//!
//! The SDK reads the machine's, and `SSL_CERT_FILE` in their place, but not the variable that AWS'
//! own tools know.

use std::path::Path;

use aws_sdk_iam::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::credentials::Unusable;

const VARIABLE: &str = "AWS_CA_BUNDLE";

/// The SDK's own client, but for the authorities; `None` where the variable does not name any.
pub(super) fn client() -> Result<Option<SharedHttpClient>, Unusable> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = Path::new(&path);
    let wrong = |what: &str| Unusable(format!("`{}` of {VARIABLE} {what}", path.display()));
    let pem = std::fs::read(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if !is_bundle(&pem) {
        return Err(wrong("is not a list of certificates in PEM"));
    }
    let trusted = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| wrong(&error.to_string()))?;
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder =
            ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        builder.set_tls_context(context.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.set_proxy_config(Some(ProxyConfig::from_env()));
        builder.build()
    });
    Ok(Some(client))
}

/// Whether the SDK can read it: it breaks down over what is none.
fn is_bundle(pem: &[u8]) -> bool {
    let mut store = RootCertStore::empty();
    let mut certificates = CertificateDer::pem_slice_iter(pem);
    certificates.all(|found| found.is_ok_and(|found| store.add(found).is_ok())) && !store.is_empty()
}
