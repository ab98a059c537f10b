//! A request signed by hand, for what the client library sends only over TLS: a body in unsigned chunks with a checksum
//! behind it.

use std::fmt::Write as _;

use jiff::Timestamp;
use paycraft_dr::model::hex::hex;
use sha2::{Digest as _, Sha256};

use super::kit::{BUCKET, KEY_ID, SECRET};

const PAYLOAD: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// The head of a PUT of `length` bytes that announces `trailer`; the body's own length and the blank line are missing.
pub(super) fn signed_put(host: &str, key: &str, trailer: &str, length: usize) -> String {
    let now = Timestamp::now();
    let (day, time) = (
        now.strftime("%Y%m%d").to_string(),
        now.strftime("%Y%m%dT%H%M%SZ").to_string(),
    );
    let headers = [
        ("host", host.to_owned()),
        ("x-amz-content-sha256", PAYLOAD.to_owned()),
        ("x-amz-date", time.clone()),
        ("x-amz-decoded-content-length", length.to_string()),
        ("x-amz-trailer", trailer.to_owned()),
    ];
    let names = headers.each_ref().map(|(name, _)| *name).join(";");
    let path = format!("/{BUCKET}/{key}");
    let mut canonical = format!("PUT\n{path}\n\n");
    let mut head = format!("PUT {path} HTTP/1.1\r\nconnection: close\r\ncontent-encoding: aws-chunked\r\n");
    for (name, value) in &headers {
        writeln!(canonical, "{name}:{value}").unwrap();
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(canonical, "\n{names}\n{PAYLOAD}").unwrap();

    let scope = format!("{day}/auto/s3/aws4_request");
    let message = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let key = scope
        .split('/')
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &message));
    let credential = format!("Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}");
    write!(head, "authorization: AWS4-HMAC-SHA256 {credential}\r\n").unwrap();
    head
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}
