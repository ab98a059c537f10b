//! An S3 server in this process, on loopback: real protocol, real bytes, no other program.
//!
//! It is as strict as the best of the real ones: nothing changes before all bytes have come and every digest the client sent
//! was checked, and conditions are decided under the lock that publishes.

mod backend;
mod body;
mod bucket;
mod listing;
mod upload;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::backend::Backend;
use self::bucket::Shelf;
use crate::error::{Error, Kind, Result};

/// How long requests under way may take to end when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Who may use the server.
#[derive(Clone)]
pub struct Credentials {
    /// The key's name.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.access_key_id)
    }
}

/// A running server. Dropped, it is stopped at once.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    bucket: String,
    shelf: Arc<Shelf>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl S3Server {
    /// Serves `bucket` on a free port of loopback. The bytes of objects are files in `directory`, which is made.
    pub async fn start(directory: &Path, bucket: &str, credentials: Credentials) -> Result<Self> {
        let failed = |cause: std::io::Error| {
            Error::new(Kind::Usage, "cannot start the S3 server of the drill")
                .caused_by(cause)
                .hint("free some space in TMPDIR, and allow ports on 127.0.0.1")
        };
        tokio::fs::create_dir(directory).await.map_err(failed)?;
        let shelf = Arc::new(Shelf::new(directory.to_owned()));
        shelf.create_bucket(bucket);
        let mut service = S3ServiceBuilder::new(Backend::new(Arc::clone(&shelf)));
        service.set_auth(SimpleAuth::from_single(
            credentials.access_key_id,
            credentials.secret_access_key,
        ));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, mut stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            let connections = GracefulShutdown::new();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = &mut stopped => break,
                };
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let connection = http
                    .serve_connection(TokioIo::new(stream), service.clone())
                    .into_owned();
                tokio::spawn(connections.watch(connection));
            }
            drop(listener);
            let _ = tokio::time::timeout(STOP_GRACE, connections.shutdown()).await;
        });
        Ok(Self {
            address,
            bucket: bucket.to_owned(),
            shelf,
            stop: Some(stop),
            serving,
        })
    }

    /// The address to give a client.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The keys of uploads that were begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> Vec<String> {
        self.shelf.open_uploads(&self.bucket)
    }

    /// The bytes of an object as they lie on disk, past the protocol.
    pub fn read(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.shelf.find(&self.bucket, key).ok()?;
        std::fs::read(object.file.path()).ok()
    }

    /// Replaces the bytes of an object past the protocol, as damage at rest does, or makes an object.
    pub fn overwrite(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let failed = |cause: std::io::Error| {
            Error::new(Kind::Internal, format!("cannot overwrite {key}")).caused_by(cause)
        };
        let file = self.shelf.new_file();
        std::fs::write(file.path(), bytes).map_err(failed)?;
        let mut object = match self.shelf.find(&self.bucket, key) {
            Ok(object) => object,
            Err(_) => bucket::Object::plain(file.clone()),
        };
        object.bytes = bytes.len() as u64;
        object.file = file;
        self.shelf.place(&self.bucket, key, object);
        Ok(())
    }

    /// Removes an object past the protocol.
    pub fn remove(&self, key: &str) {
        self.shelf.remove(&self.bucket, key);
    }

    /// Stops serving; requests under way may still end.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.serving).await;
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
