//! An S3 server in this process, on loopback: what a drill backs up to where no container engine is.
//!
//! It is as strict as the real thing where a backup depends on it, and with `Rules::R2` as strict as Cloudflare's: one winner
//! of a conditional write, no object before its digests are verified, no bucket or upload that was not created. Bodies are
//! files, everything else is memory; both are gone with the server.

use std::fmt;
use std::iter;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use super::http_listener::HttpListener;
use super::s3_faults::{FaultPlan, FaultRule, Layer, Operation, RequestFailure};
use crate::error::{Error, Kind, Result};

mod auth;
mod backend;
mod body;
mod checksums;
pub mod conditions;
mod fields;
mod gate;
pub mod listing;
pub mod multipart;
mod objects;
mod rules;
mod uploads;

pub use auth::Credentials;
use auth::Keyring;
use backend::S3Backend;
use body::{ObjectContent, discard};
use checksums::Declared;
use conditions::WriteConditions;
use gate::Gate;
use objects::{ObjectAttributes, ObjectMap, StoredObject, now};
use rules::Book;
pub use rules::Rules;

/// A server that answers until it is stopped or dropped.
pub struct S3Server {
    listener: HttpListener,
    bucket: String,
    store: Arc<ObjectMap>,
    book: Arc<Book>,
    plan: Arc<FaultPlan>,
}

impl S3Server {
    /// Binds 127.0.0.1 on a free port, creates `bucket`, and keeps the bytes of objects as files under `directory`, which
    /// is created where it is missing. The files are removed with the server.
    pub async fn start(
        directory: &Path,
        bucket: &str,
        credentials: Credentials,
        rules: Rules,
    ) -> Result<Self> {
        let listener = HttpListener::bind().await.map_err(unusable)?;
        Self::start_on(listener, directory, bucket, credentials, rules)
    }

    /// The same at a port that is bound already.
    pub fn start_on(
        listener: TcpListener,
        directory: &Path,
        bucket: &str,
        credentials: Credentials,
        rules: Rules,
    ) -> Result<Self> {
        if !s3s::path::check_bucket_name(bucket) {
            let message = format!("{bucket:?} is not a valid bucket name");
            let hint = "give it 3 to 63 lowercase letters, digits, dots and hyphens";
            return Err(Error::new(Kind::Usage, message).hint(hint));
        }
        // Here and now: left to another thread, it could come after the directory was removed again.
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let store = Arc::new(ObjectMap::new(directory.to_owned(), rules));
        let created = store.create_bucket(bucket);
        created.map_err(|cause| failed("create its bucket").caused_by(cause))?;
        let backend = S3Backend {
            store: Arc::clone(&store),
        };
        let mut service = S3ServiceBuilder::new(backend);
        service.set_auth(Keyring { credentials, rules });
        let (book, plan) = (Arc::new(Book::new(rules)), Arc::<FaultPlan>::default());
        let layer = Layer {
            plan: Arc::clone(&plan),
            service: Gate {
                book: Arc::clone(&book),
                service: service.build(),
            },
        };
        Ok(Self {
            listener: HttpListener::start(listener, layer).map_err(unusable)?,
            bucket: bucket.to_owned(),
            store,
            book,
            plan,
        })
    }

    /// The URL clients connect to.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }
    pub fn address(&self) -> SocketAddr {
        self.listener.address
    }

    /// The keys of multipart uploads neither completed nor aborted: what a client that cleans up leaves none of.
    pub fn open_uploads(&self) -> Vec<String> {
        self.store.open_uploads()
    }

    /// Fails the next `times` requests for `operation`, after those that were asked for before.
    pub fn fail_next(&self, operation: Operation, failure: RequestFailure, times: u32) {
        self.plan.add(FaultRule {
            operation: Some(operation),
            key_suffix: None,
            skip: 0,
            times: Some(times),
            failure,
        });
    }

    /// How many of the failures asked for have not happened yet.
    pub fn failures_left(&self) -> u32 {
        self.plan.left()
    }

    /// Forgets the failures that have not happened yet.
    pub fn heal(&self) {
        self.plan.heal();
    }

    /// Sets the server's clock ahead of this machine's, or behind it.
    pub fn set_clock(&self, offset: SignedDuration) {
        self.book.set_clock(offset);
    }

    /// Closes the port, lets requests that are being answered finish for a bounded time, and removes all files.
    pub async fn stop(self) {
        let Self { store, listener, .. } = self;
        listener.stop().await;
        discard(store).await;
    }

    /// Replaces the stored bytes behind the back of every rule, as a failing disk or a stranger would: tag, time and
    /// metadata stay as they are. An object that is not there is created.
    pub fn overwrite(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let chunks = iter::once(Bytes::copy_from_slice(bytes));
        let written = body::write(&self.store.directory, chunks, Declared::none().hasher())
            .map_err(|cause| failed(format!("overwrite {key}")).caused_by(cause))?;
        let content = ObjectContent::new([Arc::new(written.blob)]);
        let object = match self.store.object(&self.bucket, key) {
            Ok(object) => StoredObject { content, ..object },
            Err(_) => StoredObject {
                content,
                etag: multipart::whole_tag(written.md5),
                modified: now(),
                attributes: Arc::new(ObjectAttributes::default()),
                checksum: written.checksum,
            },
        };
        self.store
            .put(&self.bucket, key, &object, &WriteConditions::default())
            .map_err(|cause| failed(format!("overwrite {key}")).caused_by(cause))?;
        Ok(())
    }

    /// The stored bytes of an object, or nothing where there is none that can be read.
    pub fn read(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.store.object(&self.bucket, key).ok()?;
        let mut bytes = Vec::new();
        let whole = object.content.for_each(|piece| bytes.extend_from_slice(piece));
        whole.ok().map(|()| bytes)
    }

    /// Removes an object as if it had never been; whether there was one.
    pub fn remove(&self, key: &str) -> bool {
        let removed = self.store.delete(&self.bucket, key, &WriteConditions::default());
        matches!(removed, Ok(Some(_)))
    }
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Server")
            .field("address", &self.address())
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

fn unusable(cause: std::io::Error) -> Error {
    Error::new(Kind::Usage, "cannot start the drill's object store")
        .caused_by(cause)
        .hint("free some space in TMPDIR, and allow ports on 127.0.0.1")
}

fn failed(to: impl fmt::Display) -> Error {
    Error::new(Kind::Internal, format!("the drill's object store could not {to}"))
}
