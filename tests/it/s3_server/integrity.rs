//! Bytes that are not what their sender said must not become an object.

use std::io::Write as _;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Config, RequestChecksumCalculation};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::kit::{BUCKET, Env, KEY_ID, SECRET, client, eventually, exchange, refusal};
use super::signing::signed_put;

type Declare = fn(PutObjectFluentBuilder, &str) -> PutObjectFluentBuilder;

/// Every digest a client can send, and that of `hello`.
const DIGESTS: [(&str, Declare, &str); 6] = [
    (
        "md5",
        |put, digest| put.content_md5(digest),
        "XUFAKrxLKna5cZ2REBfFkg==",
    ),
    ("crc32", |put, digest| put.checksum_crc32(digest), "NhCmhg=="),
    ("crc32c", |put, digest| put.checksum_crc32_c(digest), "mnG7TA=="),
    (
        "crc64nvme",
        |put, digest| put.checksum_crc64_nvme(digest),
        "M3eFcAZSQlc=",
    ),
    (
        "sha1",
        |put, digest| put.checksum_sha1(digest),
        "qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    ),
    (
        "sha256",
        |put, digest| put.checksum_sha256(digest),
        "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    ),
];

#[tokio::test]
async fn a_right_digest_is_taken() {
    let env = Env::new().await;
    for (name, declare, digest) in DIGESTS {
        declare(env.put(name, "hello"), digest).send().await.unwrap();
        assert_eq!(env.bytes(name).await, b"hello", "{name}");
    }
}

#[tokio::test]
async fn a_wrong_digest_leaves_the_old_object() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    for (name, declare, digest) in DIGESTS {
        let put = declare(env.put("k", "hullo"), digest).send().await;
        assert_eq!(refusal(put), (400, "BadDigest".into()), "{name}");
        assert_eq!(env.bytes("k").await, b"old", "{name}");
        assert_eq!(env.files(), 1, "{name}");
    }
}

#[tokio::test]
async fn all_digests_must_be_right() {
    let env = Env::new().await;
    let [md5, _, _, _, sha1, sha256] = DIGESTS.map(|(_, _, digest)| digest);
    let put = || env.put("k", "hello").content_md5(md5).checksum_sha1(sha1);
    put().checksum_sha256(sha256).send().await.unwrap();
    let put = put().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(refusal(put.send().await), (400, "BadDigest".into()));
}

#[tokio::test]
async fn what_cannot_be_an_md5_is_told_apart_from_a_wrong_one() {
    let env = Env::new().await;
    for digest in ["XUFAKrxLKna5cZ2REBfF", "not base64"] {
        let put = env.put("k", "hello").content_md5(digest).send().await;
        assert_eq!(refusal(put), (400, "InvalidDigest".into()), "{digest:?}");
    }
}

#[tokio::test]
async fn a_reader_is_told_the_checksums_it_asks_for() {
    let env = Env::new().await;
    let (_, declare, digest) = DIGESTS[5];
    let put = declare(env.put("k", "hello"), digest).send().await.unwrap();
    assert_eq!(put.checksum_sha256(), Some(digest));
    let got = env
        .get("k")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .unwrap();
    assert_eq!(got.checksum_sha256(), Some(digest));
    assert_eq!(env.get("k").send().await.unwrap().checksum_sha256(), None);
    // It is the whole object's: with a part of it, it would be wrong.
    let range = env
        .get("k")
        .range("bytes=0-1")
        .checksum_mode(ChecksumMode::Enabled);
    assert_eq!(range.send().await.unwrap().checksum_sha256(), None);
}

#[tokio::test]
async fn a_checksum_that_cannot_be_verified_is_not_ignored() {
    let env = Env::new().await;
    let put = env.put("k", "hello").checksum_sha512("whatever").send().await;
    assert_eq!(refusal(put), (501, "NotImplemented".into()));
    assert_eq!(env.files(), 0);
}

#[tokio::test]
async fn a_byte_changed_on_the_way_is_noticed() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    let through = relay_that_changes_the_body(&env, "new body").await;
    let put = through.put_object().bucket(BUCKET).key("k");
    let put = put.body(b"new body".to_vec().into()).send().await;
    assert_eq!(refusal(put), (400, "XAmzContentSHA256Mismatch".into()));
    assert_eq!(env.bytes("k").await, b"old");
    assert_eq!(env.files(), 1);
}

#[tokio::test]
async fn a_byte_changed_in_a_signed_chunk_is_noticed() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"new body").unwrap();
    // A body that is read as it is sent is hashed as it is sent: its checksum comes last.
    let put = async |client: &Client| {
        let body = ByteStream::from_path(file.path()).await.unwrap();
        let late = Config::builder().request_checksum_calculation(RequestChecksumCalculation::WhenSupported);
        let put = client.put_object().bucket(BUCKET).key("k").body(body).customize();
        put.config_override(late).send().await
    };
    let through = relay_that_changes_the_body(&env, "\r\n\r\n").await;
    assert_eq!(
        refusal(put(&through).await),
        (403, "SignatureDoesNotMatch".into())
    );
    assert_eq!(env.bytes("k").await, b"old");

    let taken = put(&env.client).await.unwrap();
    assert!(taken.checksum_crc32().is_some(), "{taken:?}");
    assert_eq!(env.bytes("k").await, b"new body");
}

#[tokio::test]
async fn a_checksum_behind_the_body_is_verified() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    let put = async |checksum: &str| {
        let head = signed_put(&env.address(), "k", "x-amz-checksum-crc32", 5);
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        exchange(env.connect().await, request.as_bytes()).await
    };
    let refused = put("AAAAAA==").await;
    assert!(refused.contains("<Code>BadDigest</Code>"), "{refused}");
    assert_eq!(env.bytes("k").await, b"old");
    let taken = put("NhCmhg==").await;
    assert!(taken.starts_with("HTTP/1.1 200 "), "{taken}");
    assert_eq!(env.bytes("k").await, b"hello");

    let head = signed_put(&env.address(), "k", "x-amz-checksum-sha512", 5);
    let request = format!("{head}content-length: 0\r\n\r\n");
    let unknown = exchange(env.connect().await, request.as_bytes()).await;
    assert!(unknown.contains("<Code>NotImplemented</Code>"), "{unknown}");
}

/// A client whose first request, up to `end`, reaches the server with its body changed.
async fn relay_that_changes_the_body(env: &Env, end: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = format!("http://{}", listener.local_addr().unwrap());
    let server = env.address();
    tokio::spawn(async move {
        let (mut from, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !(memchr::memmem::find(&request, b"new body").is_some() && request.ends_with(end.as_bytes())) {
            assert_ne!(from.read_buf(&mut request).await.unwrap(), 0);
        }
        let body = memchr::memmem::find(&request, b"new body").unwrap();
        request[body] = b'm';
        let mut to = TcpStream::connect(server).await.unwrap();
        to.write_all(&request).await.unwrap();
        // Until the server, having refused, hangs up, or the client, having its answer, does.
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    });
    client(&through, KEY_ID, SECRET)
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    let head = env.presigned_put("k").await;
    let mut connection = env.connect().await;
    let request = format!("{head}content-length: 1000000\r\n\r\n{}", "x".repeat(400_000));
    connection.write_all(request.as_bytes()).await.unwrap();
    eventually(|| env.files() == 2).await;
    drop(connection);
    eventually(|| env.files() == 1).await;
    assert_eq!(env.bytes("k").await, b"old");
}

#[tokio::test]
async fn a_body_shorter_than_announced_leaves_nothing() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    let head = env.presigned_put("k").await;
    let whole = format!("{head}connection: close\r\ncontent-length: 3\r\n\r\nnew");
    let mut connection = env.connect().await;
    let cut = whole.replace("length: 3", "length: 4");
    connection.write_all(cut.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    eventually(|| env.files() == 1).await;
    assert_eq!(env.bytes("k").await, b"old");

    // The request itself was good.
    let answer = exchange(env.connect().await, whole.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(env.bytes("k").await, b"new");
}
