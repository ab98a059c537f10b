//! A server with a client on it, in a directory of their own.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials as Key, Region, RequestChecksumCalculation,
    ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::abort_multipart_upload::builders::AbortMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_http_client::Builder as HttpBuilder;
use paycraft_dr::drill::s3_server::{Credentials, Rules, S3Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const BUCKET: &str = "backups";
pub(super) const KEY_ID: &str = "drill";
pub(super) const SECRET: &str = "not a secret worth keeping";

/// The least a part may hold, unless it is the last.
pub(super) const PART: usize = 5 * 1024 * 1024;

pub(super) struct Env {
    pub(super) server: S3Server,
    pub(super) client: Client,
    pub(super) directory: TempDir,
}

impl Env {
    pub(super) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let credentials = Credentials {
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: SECRET.to_owned(),
        };
        let server = S3Server::start(directory.path(), BUCKET, credentials, Rules::S3)
            .await
            .unwrap();
        let client = client(&server.endpoint(), KEY_ID, SECRET);
        Self {
            server,
            client,
            directory,
        }
    }

    pub(super) fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> PutObjectFluentBuilder {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        put.body(body.into().into())
    }

    pub(super) fn get(&self, key: &str) -> GetObjectFluentBuilder {
        self.client.get_object().bucket(BUCKET).key(key)
    }

    pub(super) async fn bytes(&self, key: &str) -> Vec<u8> {
        bytes(self.get(key)).await
    }

    /// All keys, in one page.
    pub(super) async fn keys(&self) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        let keys = listed.contents().iter();
        keys.map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// How many files the server keeps.
    pub(super) fn files(&self) -> usize {
        std::fs::read_dir(self.directory.path()).unwrap().count()
    }

    pub(super) async fn upload(&self, key: &str) -> Upload<'_> {
        let create = self.client.create_multipart_upload().bucket(BUCKET).key(key);
        let created = create.send().await.unwrap();
        Upload {
            env: self,
            key: key.to_owned(),
            id: created.upload_id().unwrap().to_owned(),
        }
    }

    /// The request line and host of a PUT that is allowed without more headers.
    pub(super) async fn presigned_put(&self, key: &str) -> String {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        let lifetime = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
        let request = put.presigned(lifetime).await.unwrap();
        let path = request.uri().strip_prefix(&self.server.endpoint()).unwrap();
        format!("PUT {path} HTTP/1.1\r\nhost: {}\r\n", self.address())
    }

    pub(super) fn address(&self) -> String {
        self.server.endpoint().strip_prefix("http://").unwrap().to_owned()
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }
}

/// One multipart upload.
pub(super) struct Upload<'a> {
    env: &'a Env,
    pub(super) key: String,
    pub(super) id: String,
}

impl Upload<'_> {
    pub(super) fn part(&self, number: i32, body: impl Into<Vec<u8>>) -> UploadPartFluentBuilder {
        let part = self.env.client.upload_part().bucket(BUCKET).key(&self.key);
        part.upload_id(&self.id)
            .part_number(number)
            .body(body.into().into())
    }

    /// Uploads a part and returns how it is listed.
    pub(super) async fn listed(&self, number: i32, body: impl Into<Vec<u8>>) -> CompletedPart {
        let uploaded = self.part(number, body).send().await.unwrap();
        listed(number, uploaded.e_tag().unwrap())
    }

    pub(super) fn complete(&self, parts: Vec<CompletedPart>) -> CompleteMultipartUploadFluentBuilder {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.env.client.complete_multipart_upload().bucket(BUCKET);
        complete
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
    }

    pub(super) fn abort(&self) -> AbortMultipartUploadFluentBuilder {
        let abort = self.env.client.abort_multipart_upload().bucket(BUCKET);
        abort.key(&self.key).upload_id(&self.id)
    }
}

pub(super) fn listed(number: i32, tag: &str) -> CompletedPart {
    CompletedPart::builder().part_number(number).e_tag(tag).build()
}

pub(super) fn client(endpoint: &str, key_id: &str, secret: &str) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("auto"))
        .force_path_style(true)
        .credentials_provider(Key::new(key_id, secret, None, None, "test"))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // A retry would hide what the first try was told.
        .retry_config(RetryConfig::disabled())
        .disable_clock_skew_correction(true)
        .http_client(HttpBuilder::new().build_http())
        .build();
    Client::from_conf(config)
}

pub(super) async fn bytes(get: GetObjectFluentBuilder) -> Vec<u8> {
    let got = get.send().await.unwrap();
    got.body.collect().await.unwrap().to_vec()
}

/// How a request was refused: status and code. The code is empty where the answer has no body.
pub(super) fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    outcome: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = outcome.expect_err("should have been refused");
    let status = error.raw_response().expect("no answer at all").status().as_u16();
    (status, error.code().unwrap_or_default().to_owned())
}

/// Waits until `holds`. For what no answer tells: that the server noticed a client leave.
pub(super) async fn eventually(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap();
}

/// Sends `request` and returns all of the answer. The request must ask for the connection to be closed.
pub(super) async fn exchange(mut connection: TcpStream, request: &[u8]) -> String {
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Bytes that differ from place to place, so that a piece out of place shows.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|word| word.wrapping_mul(0x9E37_79B1).to_le_bytes())
        .take(len)
        .collect()
}
