//! Bodies: from the network into a file with every digest checked, and from a file to the network.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3Result, s3_error};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::bucket::{Shelf, StoredFile};
use crate::model::manifest::hex;

const SEND_BYTES: usize = 256 << 10;

/// What the client said of a body.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) length: Option<i64>,
    /// MD5 as base64.
    pub(super) md5: Option<String>,
    pub(super) checksums: Checksum,
}

/// A body that arrived whole and was what the client said.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) file: Arc<StoredFile>,
    pub(super) bytes: u64,
    /// MD5 as lowercase hex.
    pub(super) etag: String,
}

/// Writes a body into a new file. The file goes again unless all of it came and every digest agrees.
pub(super) async fn receive(
    shelf: &Shelf,
    body: Option<StreamingBlob>,
    expected: &Expected,
) -> S3Result<Received> {
    let file = shelf.new_file();
    let mut output = File::create_new(file.path()).await.map_err(internal)?;
    let mut md5 = Md5::new();
    let mut checksums = wanted(&expected.checksums);
    let mut bytes = 0_u64;
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece: Bytes = piece.map_err(|cause| s3_error!(IncompleteBody, "{cause}"))?;
            output.write_all(&piece).await.map_err(internal)?;
            md5.update(&piece);
            checksums.update(&piece);
            bytes += piece.len() as u64;
        }
    }
    output.flush().await.map_err(internal)?;
    if expected
        .length
        .is_some_and(|length| u64::try_from(length).ok() != Some(bytes))
    {
        return Err(s3_error!(IncompleteBody));
    }
    let md5 = md5.finalize();
    if expected
        .md5
        .as_ref()
        .is_some_and(|said| *said != BASE64_STANDARD.encode(md5))
        || !agree(&expected.checksums, &checksums.finalize())
    {
        return Err(s3_error!(BadDigest));
    }
    Ok(Received {
        file,
        bytes,
        etag: hex(&md5),
    })
}

/// Writes several files one after another into a new one, off the threads that serve.
pub(super) async fn concatenate(shelf: &Shelf, parts: Vec<Arc<StoredFile>>) -> S3Result<Arc<StoredFile>> {
    let whole = shelf.new_file();
    let output = Arc::clone(&whole);
    let copied = tokio::task::spawn_blocking(move || {
        let mut output = std::fs::File::create_new(output.path())?;
        for part in parts {
            std::io::copy(&mut std::fs::File::open(part.path())?, &mut output)?;
        }
        Ok(())
    });
    copied
        .await
        .map_err(|cause| s3_error!(cause, InternalError))?
        .map_err(internal)?;
    Ok(whole)
}

/// The bytes of a file in `range`, read as the client takes them. The file stays until the last was read.
pub(super) async fn send(file: Arc<StoredFile>, range: Range<u64>) -> S3Result<StreamingBlob> {
    let mut input = open(file.path()).await?;
    input
        .seek(std::io::SeekFrom::Start(range.start))
        .await
        .map_err(internal)?;
    let left = range.end - range.start;
    let pieces = stream::try_unfold((input, file, left), |(mut input, file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; SEND_BYTES.min(usize::try_from(left).unwrap_or(SEND_BYTES))];
        input.read_exact(&mut piece).await?;
        let left = left - piece.len() as u64;
        Ok::<_, std::io::Error>(Some((Bytes::from(piece), (input, file, left))))
    });
    Ok(StreamingBlob::wrap(pieces))
}

/// A hasher for each checksum that the client sent.
fn wanted(said: &Checksum) -> ChecksumHasher {
    ChecksumHasher {
        crc32: said.checksum_crc32.as_ref().map(|_| Crc32::new()),
        crc32c: said.checksum_crc32c.as_ref().map(|_| Crc32c::new()),
        sha1: said.checksum_sha1.as_ref().map(|_| Sha1::new()),
        sha256: said.checksum_sha256.as_ref().map(|_| Sha256::new()),
        crc64nvme: said.checksum_crc64nvme.as_ref().map(|_| Crc64Nvme::new()),
    }
}

fn agree(said: &Checksum, computed: &Checksum) -> bool {
    said.checksum_crc32 == computed.checksum_crc32
        && said.checksum_crc32c == computed.checksum_crc32c
        && said.checksum_sha1 == computed.checksum_sha1
        && said.checksum_sha256 == computed.checksum_sha256
        && said.checksum_crc64nvme == computed.checksum_crc64nvme
}

async fn open(path: &Path) -> S3Result<File> {
    File::open(path).await.map_err(internal)
}

fn internal(cause: std::io::Error) -> S3Error {
    s3_error!(cause, InternalError)
}
