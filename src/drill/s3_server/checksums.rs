//! What a client says its bytes hash to, and whether they do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::checksum::ChecksumHasher;
use s3s::dto::Checksum;
use s3s::{S3Result, TrailingHeaders, s3_error};

use super::body::Received;

/// The algorithms a client can choose from.
#[derive(Clone, Copy)]
enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    const fn of(self, checksum: &Checksum) -> Option<&String> {
        match self {
            Self::Crc32 => checksum.checksum_crc32.as_ref(),
            Self::Crc32c => checksum.checksum_crc32c.as_ref(),
            Self::Crc64Nvme => checksum.checksum_crc64nvme.as_ref(),
            Self::Sha1 => checksum.checksum_sha1.as_ref(),
            Self::Sha256 => checksum.checksum_sha256.as_ref(),
        }
    }

    const fn slot(self, checksum: &mut Checksum) -> &mut Option<String> {
        match self {
            Self::Crc32 => &mut checksum.checksum_crc32,
            Self::Crc32c => &mut checksum.checksum_crc32c,
            Self::Crc64Nvme => &mut checksum.checksum_crc64nvme,
            Self::Sha1 => &mut checksum.checksum_sha1,
            Self::Sha256 => &mut checksum.checksum_sha256,
        }
    }

    fn enable(self, hasher: &mut ChecksumHasher) {
        match self {
            Self::Crc32 => hasher.crc32 = Some(s3s::crypto::Checksum::new()),
            Self::Crc32c => hasher.crc32c = Some(s3s::crypto::Checksum::new()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(s3s::crypto::Checksum::new()),
            Self::Sha1 => hasher.sha1 = Some(s3s::crypto::Checksum::new()),
            Self::Sha256 => hasher.sha256 = Some(s3s::crypto::Checksum::new()),
        }
    }
}

/// What came with one body: the digests in its headers, and those its trailer announces.
pub(super) struct Declared {
    md5: Option<Vec<u8>>,
    checksum: Checksum,
    /// The headers that will follow the body.
    trailer: Vec<String>,
}

impl Declared {
    /// Nothing came with the body.
    pub(super) fn none() -> Self {
        Self {
            md5: None,
            checksum: Checksum::default(),
            trailer: Vec::new(),
        }
    }

    /// Refuses what could not be verified before any byte is read: a `Content-MD5` that is none, and a checksum by an
    /// algorithm this server does not know, which would pass for verified if it were ignored.
    pub(super) fn new<'a>(
        md5: Option<&str>,
        checksum: Checksum,
        mut headers: impl Iterator<Item = &'a str>,
        trailer: Option<&str>,
    ) -> S3Result<Self> {
        let md5 = md5.map(|text| BASE64.decode(text).ok().filter(|digest| digest.len() == 16));
        if md5 == Some(None) {
            return Err(s3_error!(
                InvalidDigest,
                "Content-MD5 is not the base64 of 16 bytes"
            ));
        }
        let trailer = trailer.unwrap_or_default().to_ascii_lowercase();
        let trailer: Vec<String> = trailer.split(',').map(|name| name.trim().to_owned()).collect();
        let mut behind_body = trailer.iter().map(String::as_str);
        let unverifiable = headers
            .find(|name| unknown(name))
            .or_else(|| behind_body.find(|name| unknown(name)));
        if let Some(name) = unverifiable {
            return Err(s3_error!(NotImplemented, "{name} cannot be verified here"));
        }
        Ok(Self {
            md5: md5.flatten(),
            checksum,
            trailer,
        })
    }

    /// Computes what was declared and nothing else: hashing is most of the cost of an upload.
    pub(super) fn hasher(&self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        for algorithm in Algorithm::ALL {
            let announced = self.trailer.iter().any(|name| name == algorithm.header());
            if announced || algorithm.of(&self.checksum).is_some() {
                algorithm.enable(&mut hasher);
            }
        }
        hasher
    }

    /// Compares with what arrived; the trailer is known only now that the body has been read.
    pub(super) fn verify(mut self, received: &Received, trailers: Option<&TrailingHeaders>) -> S3Result<()> {
        for algorithm in Algorithm::ALL {
            let sent = trailers.and_then(|trailers| {
                trailers
                    .read(|headers| headers.get(algorithm.header())?.to_str().ok().map(str::to_owned))
                    .flatten()
            });
            if sent.is_some() {
                *algorithm.slot(&mut self.checksum) = sent;
            }
        }
        if self.md5.is_some_and(|md5| md5 != received.md5) {
            return Err(s3_error!(BadDigest, "the body does not match its Content-MD5"));
        }
        agree(&self.checksum, &received.checksum)
    }
}

/// Whether a header carries a checksum that is not among the [`Algorithm`]s.
fn unknown(header: &str) -> bool {
    header
        .strip_prefix("x-amz-checksum-")
        .is_some_and(|name| !matches!(name, "algorithm" | "mode" | "type"))
        && Algorithm::ALL
            .iter()
            .all(|algorithm| algorithm.header() != header)
}

/// Every checksum that was declared is the one that was computed.
pub(super) fn agree(declared: &Checksum, computed: &Checksum) -> S3Result<()> {
    for algorithm in Algorithm::ALL {
        let declared = algorithm.of(declared);
        if declared.is_some() && declared != algorithm.of(computed) {
            return Err(s3_error!(
                BadDigest,
                "the body does not match its {}",
                algorithm.header()
            ));
        }
    }
    Ok(())
}

/// The digest of the parts' digests with the count of parts, for each algorithm that every part was sent with.
pub(super) fn composite(parts: &[&Checksum]) -> Checksum {
    let mut composite = Checksum::default();
    for algorithm in Algorithm::ALL {
        let digests: Option<Vec<Vec<u8>>> = parts
            .iter()
            .map(|part| BASE64.decode(algorithm.of(part)?).ok())
            .collect();
        let Some(digests) = digests else { continue };
        let mut hasher = ChecksumHasher::default();
        algorithm.enable(&mut hasher);
        hasher.update(&digests.concat());
        let digest = algorithm.slot(&mut hasher.finalize()).take();
        *algorithm.slot(&mut composite) = digest.map(|digest| format!("{digest}-{}", parts.len()));
    }
    composite
}

/// Splits what a client declares for a whole multipart object: composites, and checksums of all its bytes.
///
/// Only the former carry the count of parts.
pub(super) fn split_composites(declared: &Checksum) -> (Checksum, Checksum) {
    let (mut composites, mut whole) = (Checksum::default(), Checksum::default());
    for algorithm in Algorithm::ALL {
        if let Some(value) = algorithm.of(declared) {
            let side = if value.contains('-') {
                &mut composites
            } else {
                &mut whole
            };
            *algorithm.slot(side) = Some(value.clone());
        }
    }
    (composites, whole)
}

/// The checksums of the whole object where it has them, and otherwise those of its parts.
pub(super) fn prefer(first: &Checksum, otherwise: &Checksum) -> Checksum {
    let mut preferred = Checksum::default();
    for algorithm in Algorithm::ALL {
        *algorithm.slot(&mut preferred) = algorithm.of(first).or(algorithm.of(otherwise)).cloned();
    }
    preferred
}

/// A hasher for exactly the checksums in `declared`, or nothing where none is.
pub(super) fn hasher_for(declared: &Checksum) -> Option<ChecksumHasher> {
    let mut hasher = None;
    for algorithm in Algorithm::ALL {
        if algorithm.of(declared).is_some() {
            algorithm.enable(hasher.get_or_insert_default());
        }
    }
    hasher
}
