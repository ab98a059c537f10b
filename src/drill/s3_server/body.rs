//! Bodies on disk: written while they are hashed, read in pieces, never held whole.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::iter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, StdError, s3_error};
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// How much of an object is in memory per reader.
const PIECE_BYTES: u64 = 256 * 1024;

/// How many chunks off the network may wait for the disk, per writer.
const CHUNKS_IN_FLIGHT: usize = 4;

/// Bytes in a file of their own. The file is gone when the last user is: a replaced or abandoned upload needs no
/// clean-up, and a reader keeps what it began to read.
pub(super) struct Blob {
    path: TempPath,
    pub(super) len: u64,
}

/// A body on disk and what it hashed to on the way.
pub(super) struct Received {
    pub(super) blob: Blob,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Checksum,
}

/// Brings a body to disk under `directory`. Hashing and writing go on beside the network, on a thread that may
/// block; when this future is dropped (the client left) the thread finds the channel closed and drops the file.
pub(super) async fn receive(
    directory: &Path,
    body: Option<StreamingBlob>,
    hasher: ChecksumHasher,
) -> S3Result<Received> {
    let directory = directory.to_owned();
    let (sender, mut chunks) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let writer = spawn_blocking(move || write(&directory, iter::from_fn(|| chunks.blocking_recv()), hasher));
    let sent = send(body, sender).await;
    let received = writer
        .await
        .map_err(S3Error::internal_error)?
        .map_err(S3Error::internal_error);
    sent.and(received)
}

async fn send(body: Option<StreamingBlob>, sender: mpsc::Sender<Bytes>) -> S3Result<()> {
    let Some(mut body) = body else { return Ok(()) };
    while let Some(chunk) = body.next().await {
        if sender.send(chunk.map_err(broken_body)?).await.is_err() {
            // The writer gave up; what it returns says why.
            break;
        }
    }
    Ok(())
}

/// The types of these errors are private to s3s; their words are all there is to tell them apart.
fn broken_body(cause: StdError) -> S3Error {
    let text = cause.to_string();
    let mut error = if text.contains("Sha256Mismatch") {
        let mut error = S3Error::new(S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()));
        if let Some(status) = S3ErrorCode::BadDigest.status_code() {
            error.set_status_code(status);
        }
        error
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch)
    } else {
        s3_error!(IncompleteBody, "the body ended early")
    };
    error.set_source(cause);
    error
}

/// Writes a body to a new file under `directory`. Blocks.
pub(super) fn write(
    directory: &Path,
    chunks: impl Iterator<Item = Bytes>,
    mut hasher: ChecksumHasher,
) -> io::Result<Received> {
    let mut file = NamedTempFile::new_in(directory)?;
    let (mut md5, mut len) = (Md5::new(), 0);
    for chunk in chunks {
        md5.update(&chunk);
        hasher.update(&chunk);
        file.write_all(&chunk)?;
        len += chunk.len() as u64;
    }
    Ok(Received {
        blob: Blob {
            path: file.into_temp_path(),
            len,
        },
        md5: md5.finalize().into(),
        checksum: hasher.finalize(),
    })
}

/// The bytes of an object: the bodies it was uploaded in, one after the other. Completing a multipart upload and copying
/// an object move no byte.
#[derive(Clone)]
pub(super) struct ObjectContent {
    blobs: Arc<[Arc<Blob>]>,
    pub(super) len: u64,
}

impl ObjectContent {
    pub(super) fn new(blobs: impl IntoIterator<Item = Arc<Blob>>) -> Self {
        let blobs: Arc<[_]> = blobs.into_iter().collect();
        let len = blobs.iter().map(|blob| blob.len).sum();
        Self { blobs, len }
    }

    /// Streams `range`, which must lie within the content. A file that was cut short on disk ends the stream with an error.
    pub(super) fn stream(&self, range: Range<u64>) -> StreamingBlob {
        let reader = ContentReader::new(self.clone(), range);
        StreamingBlob::wrap(stream::try_unfold(reader, |reader| async {
            spawn_blocking(move || reader.next_piece())
                .await
                .map_err(io::Error::other)?
        }))
    }

    /// Passes all bytes to `take`, piece by piece. Blocks.
    pub(super) fn for_each(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut reader = ContentReader::new(self.clone(), 0..self.len);
        while let Some((piece, next)) = reader.next_piece()? {
            take(&piece);
            reader = next;
        }
        Ok(())
    }
}

/// A reader's position: a place in one of the blobs, and how much is still wanted.
struct ContentReader {
    content: ObjectContent,
    blob: usize,
    offset: u64,
    wanted: u64,
    /// The current blob's file, once it was needed; its position is `offset`.
    open: Option<File>,
}

impl ContentReader {
    fn new(content: ObjectContent, range: Range<u64>) -> Self {
        Self {
            content,
            blob: 0,
            offset: range.start,
            wanted: range.end - range.start,
            open: None,
        }
    }

    /// The next piece, and the reader behind it.
    fn next_piece(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.wanted == 0 {
            return Ok(None);
        }
        let blob = loop {
            let blob = self.content.blobs.get(self.blob);
            let blob = blob.ok_or(io::ErrorKind::UnexpectedEof)?;
            if self.offset < blob.len {
                break blob;
            }
            self.offset -= blob.len;
            (self.blob, self.open) = (self.blob + 1, None);
        };
        let file = match &mut self.open {
            Some(file) => file,
            closed => {
                let mut file = File::open(&blob.path)?;
                file.seek(SeekFrom::Start(self.offset))?;
                closed.insert(file)
            }
        };
        let size = (blob.len - self.offset).min(self.wanted).min(PIECE_BYTES);
        let mut piece = Vec::with_capacity(usize::try_from(size).map_err(io::Error::other)?);
        if file.take(size).read_to_end(&mut piece)? as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.wanted -= size;
        self.offset += size;
        Ok(Some((piece.into(), self)))
    }
}

/// Drops what may be the last user of large files: removing them takes long enough to hold up other requests.
pub(super) async fn discard<T: Send + 'static>(unused: T) {
    // A panic while dropping would be reported by the panic hook; there is nothing to add.
    let _ = spawn_blocking(move || drop(unused)).await;
}
