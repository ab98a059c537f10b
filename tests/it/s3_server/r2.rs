//! What Cloudflare R2 refuses and S3 does not.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload};
use jiff::SignedDuration;
use paycraft_dr::drill::s3_server::{Credentials, Rules, S3Server};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::kit::{BUCKET, KEY_ID, PART, SECRET, client, exchange, listed, refusal};
use super::signing::signed_put;

async fn strict() -> (TempDir, S3Server, Client) {
    let directory = tempfile::tempdir().unwrap();
    let credentials = Credentials {
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned(),
    };
    let server = S3Server::start(directory.path(), BUCKET, credentials, Rules::R2)
        .await
        .unwrap();
    let client = client(&server.endpoint(), KEY_ID, SECRET);
    (directory, server, client)
}

#[tokio::test]
async fn parts_must_have_one_size() {
    let (_directory, _server, client) = strict().await;
    for (sizes, fits) in [
        (vec![PART, PART, 3], true),
        (vec![PART + 1, PART + 1, PART + 1], true),
        (vec![PART + 1, PART, 3], false),
        (vec![PART, PART + 1], false),
    ] {
        let created = client
            .create_multipart_upload()
            .bucket(BUCKET)
            .key(format!("{sizes:?}"));
        let created = created.send().await.unwrap();
        let (key, id) = (created.key().unwrap(), created.upload_id().unwrap());
        let mut parts = Vec::new();
        for (number, size) in (1..).zip(&sizes) {
            let part = client
                .upload_part()
                .bucket(BUCKET)
                .key(key)
                .upload_id(id)
                .part_number(number);
            let sent = part.body(vec![7; *size].into()).send().await.unwrap();
            parts.push(listed(number, sent.e_tag().unwrap()));
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = client
            .complete_multipart_upload()
            .bucket(BUCKET)
            .key(key)
            .upload_id(id);
        let outcome = complete.multipart_upload(parts).send().await;
        if fits {
            outcome.unwrap();
        } else {
            assert_eq!(refusal(outcome), (400, "InvalidPart".to_owned()), "{sizes:?}");
        }
    }
}

#[tokio::test]
async fn the_region_is_auto() {
    let (_directory, server, client) = strict().await;
    let elsewhere = client
        .config()
        .to_builder()
        .region(Region::new("eu-central-1"))
        .build();
    let outcome = Client::from_conf(elsewhere)
        .list_objects_v2()
        .bucket(BUCKET)
        .send()
        .await;
    assert_eq!(refusal(outcome), (400, "InvalidRegionName".to_owned()));
    let elsewhere = client
        .config()
        .to_builder()
        .region(Region::new("us-east-1"))
        .build();
    let lifetime = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let head = Client::from_conf(elsewhere).get_object().bucket(BUCKET).key("k");
    let presigned = head.presigned(lifetime).await.unwrap();
    let host = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    let path = presigned.uri().strip_prefix(&server.endpoint()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let answer = exchange(TcpStream::connect(&host).await.unwrap(), request.as_bytes()).await;
    assert!(answer.contains("InvalidRegionName"), "{answer}");
    client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
}

#[tokio::test]
async fn checksums_that_nobody_asked_for_are_not_implemented() {
    let (_directory, server, client) = strict().await;
    let not_implemented = (501, "NotImplemented".to_owned());
    // What newer SDKs do unless they are told not to.
    let eager = client.config().to_builder();
    let eager = eager
        .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported)
        .build();
    let eager = Client::from_conf(eager);
    let put = eager.put_object().bucket(BUCKET).key("k").body(vec![1].into());
    assert_eq!(refusal(put.send().await), not_implemented);
    let get = eager.get_object().bucket(BUCKET).key("k");
    assert_eq!(refusal(get.send().await), not_implemented);
    let begin = client.create_multipart_upload().bucket(BUCKET).key("k");
    let outcome = begin.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await;
    assert_eq!(refusal(outcome), not_implemented);
    // Behind the body, as over TLS.
    let host = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    let head = signed_put(&host, "k", "x-amz-checksum-crc32", 1);
    let request = format!("{head}content-length: 0\r\n\r\n");
    let answer = exchange(TcpStream::connect(&host).await.unwrap(), request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    assert!(server.read("k").is_none());

    let put = client.put_object().bucket(BUCKET).key("k").body(vec![1].into());
    put.send().await.unwrap();
}

#[tokio::test]
async fn parts_have_a_least_size_and_a_highest_number() {
    let (_directory, server, client) = strict().await;
    let begin = client.create_multipart_upload().bucket(BUCKET).key("k");
    let created = begin.send().await.unwrap();
    let part = async |number: i32, bytes: usize| {
        let part = client.upload_part().bucket(BUCKET).key("k");
        let part = part.upload_id(created.upload_id().unwrap()).part_number(number);
        part.body(vec![7; bytes].into()).send().await
    };
    assert_eq!(
        refusal(part(10_001, 1).await),
        (400, "InvalidArgument".to_owned())
    );
    let parts = vec![
        listed(1, part(1, PART - 1).await.unwrap().e_tag().unwrap()),
        listed(2, part(2, PART - 1).await.unwrap().e_tag().unwrap()),
    ];
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = client.complete_multipart_upload().bucket(BUCKET).key("k");
    let complete = complete.upload_id(created.upload_id().unwrap());
    let outcome = complete.multipart_upload(parts).send().await;
    assert_eq!(refusal(outcome), (400, "EntityTooSmall".to_owned()));
    assert!(server.read("k").is_none());
}

#[tokio::test]
async fn a_key_that_it_does_not_know_is_unauthorized() {
    let (_directory, server, _client) = strict().await;
    let stranger = client(&server.endpoint(), "someone", SECRET);
    let list = stranger.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(list), (401, "Unauthorized".to_owned()));
}

#[tokio::test]
async fn a_request_from_another_time_is_refused() {
    let (_directory, server, client) = strict().await;
    let list = async || client.list_objects_v2().bucket(BUCKET).send().await;
    for (minutes, is_refused) in [(16, true), (-16, true), (14, false), (-14, false)] {
        server.set_clock(SignedDuration::from_mins(minutes));
        if is_refused {
            let skewed = (403, "RequestTimeTooSkewed".to_owned());
            assert_eq!(refusal(list().await), skewed, "{minutes}");
        } else {
            list().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_takes_one_write_a_second() {
    let (_directory, server, client) = strict().await;
    let put = async |key: &str, body: u8| {
        client
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .body(vec![body].into())
            .send()
            .await
    };
    put("k", 1).await.unwrap();
    assert_eq!(refusal(put("k", 2).await), (429, "TooManyRequests".to_owned()));
    put("another", 3).await.unwrap();
    assert_eq!(server.read("k"), Some(vec![1]));
    // Parts are not writes to their key, but what they become is.
    let upload = client.create_multipart_upload().bucket(BUCKET).key("k");
    let upload = upload.send().await.unwrap();
    let part = client.upload_part().bucket(BUCKET).key("k").part_number(1);
    let part = part.upload_id(upload.upload_id().unwrap()).body(vec![4].into());
    let part = listed(1, part.send().await.unwrap().e_tag().unwrap());
    let complete = async || {
        let parts = CompletedMultipartUpload::builder().parts(part.clone()).build();
        let complete = client.complete_multipart_upload().bucket(BUCKET).key("k");
        let complete = complete.upload_id(upload.upload_id().unwrap());
        complete.multipart_upload(parts).send().await
    };
    assert_eq!(refusal(complete().await), (429, "TooManyRequests".to_owned()));
    server.set_clock(SignedDuration::from_millis(1001));
    complete().await.unwrap();
    assert_eq!(server.read("k"), Some(vec![4]));
}
