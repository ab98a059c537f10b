//! The layer in front of any S3 server, as a reverse proxy.
//!
//! Requests go on as they came, with the host that the client signed, so signatures hold.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::header::{CONNECTION, EXPECT};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use s3s::{Body, HttpError};

use super::layer::{Layer, Service};
use super::plan::FaultPlan;
use crate::drill::http_listener::HttpListener;
use crate::error::{Error, Kind, Result};

/// A port in front of an S3 server. Dropped, it is closed.
pub struct Relay {
    listener: HttpListener,
    plan: Arc<FaultPlan>,
}

impl Relay {
    /// Listens on 127.0.0.1 on a free port in front of `upstream`, which speaks plain HTTP.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let plan = Arc::<FaultPlan>::default();
        let layer = Layer {
            plan: Arc::clone(&plan),
            service: Forward {
                upstream,
                client: Client::builder(TokioExecutor::new()).build(connector),
            },
        };
        let bound = HttpListener::bind().await;
        let listener = bound
            .and_then(|port| HttpListener::start(port, layer))
            .map_err(|cause| {
                Error::new(Kind::Usage, "cannot listen on loopback")
                    .caused_by(cause)
                    .hint("allow ports on 127.0.0.1")
            })?;
        Ok(Self { listener, plan })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }

    pub fn plan(&self) -> &Arc<FaultPlan> {
        &self.plan
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Forward {
    upstream: SocketAddr,
    client: Client<HttpConnector, Body>,
}

impl Service for Forward {
    fn answer(&self, mut request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, HttpError>> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let uri: Result<Uri, _> = format!("http://{}{path}", self.upstream).parse();
        // Both are between two neighbours.
        request.headers_mut().remove(EXPECT);
        request.headers_mut().remove(CONNECTION);
        let client = self.client.clone();
        Box::pin(async move {
            *request.uri_mut() = uri.map_err(|cause| HttpError::new(Box::new(cause)))?;
            let answer = client.request(request).await;
            let answer = answer.map_err(|cause| HttpError::new(Box::new(cause)))?;
            Ok(answer.map(Body::from))
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
