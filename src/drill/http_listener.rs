//! An HTTP service on loopback until it is stopped or dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::{Body, HttpError};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// How long requests that are being answered may go on after `stop`.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before accepting again when that failed, which means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A port that answers. It ends, with all its connections, when this is dropped.
#[derive(Debug)]
pub(super) struct HttpListener {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl HttpListener {
    /// Binds 127.0.0.1 on a free port.
    pub(super) async fn bind() -> std::io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
    }

    /// Lets `service` answer at the port.
    pub(super) fn start<S>(listener: TcpListener, service: S) -> std::io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = HttpError> + Clone + Send + 'static,
        S::Future: Send,
    {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            address,
            stop: Some(stop),
            serving: tokio::spawn(serve(listener, service, stopped)),
        })
    }

    /// Closes the port and lets requests that are being answered finish for a bounded time.
    pub(super) async fn stop(mut self) {
        // Both fail only where serving has ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = (&mut self.serving).await;
    }
}

impl Drop for HttpListener {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve<S>(listener: TcpListener, service: S, mut stopped: oneshot::Receiver<()>)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = HttpError> + Clone + Send + 'static,
    S::Future: Send,
{
    let http = Builder::new(TokioExecutor::new()).http1_only();
    let graceful = GracefulShutdown::new();
    // Dropping the set ends the connections that are left.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Answers are small and awaited: without this they would sit out the client's delayed acknowledgement.
                    let _ = stream.set_nodelay(true);
                    let connection = http.serve_connection(TokioIo::new(stream), service.clone());
                    connections.spawn(graceful.watch(connection.into_owned()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            // What a connection ended with is its client's affair.
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => break,
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(STOP_PATIENCE, graceful.shutdown()).await;
    connections.shutdown().await;
}
