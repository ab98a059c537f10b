//! The HTTP client below the SDK: TLS, the certificates it trusts, and proxies.

use std::net::IpAddr;

use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use http::Uri;

use crate::store::location::Location;

/// A client for this store. Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), and none for this machine.
pub(super) fn http_client(location: &Location) -> SharedHttpClient {
    let proxies = match is_loopback(&location.endpoint) {
        true => ProxyConfig::disabled(),
        false => ProxyConfig::from_env(),
    };
    client(location.certificates.clone(), proxies)
}

/// A client that trusts these certificates, or the system's where there are none.
pub(super) fn client(certificates: Option<Vec<u8>>, proxies: ProxyConfig) -> SharedHttpClient {
    let trusted = certificates.map_or_else(TrustStore::default, |certificates| {
        TrustStore::empty().with_pem_certificate(certificates)
    });
    let tls = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .expect("a trust store is all that it is built of");
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector
            .set_connector_settings(settings.cloned())
            .set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .proxy_config(proxies.clone())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .build()
    })
}

fn is_loopback(endpoint: &str) -> bool {
    let uri: Option<Uri> = endpoint.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse();
    host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback())
}
