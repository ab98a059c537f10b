//! How a server comes and goes.

use std::io::ErrorKind;

use paycraft_dr::drill::s3_server::{Credentials, Rules, S3Server};
use paycraft_dr::error::Kind;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::kit::{BUCKET, Env, eventually, pattern};

#[tokio::test]
async fn stop_closes_the_port_and_removes_the_files() {
    let env = Env::new().await;
    env.put("k", "body").send().await.unwrap();
    let upload = env.upload("open").await;
    upload.part(1, "part").send().await.unwrap();
    assert_eq!(env.files(), 2);
    let (address, directory) = (env.address(), env.directory);
    env.server.stop().await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn stop_lets_an_answer_finish() {
    let env = Env::new().await;
    let body = pattern(16 << 20);
    env.put("k", body.clone()).send().await.unwrap();
    let got = env.get("k").send().await.unwrap();
    let (read, ()) = tokio::join!(got.body.collect(), env.server.stop());
    assert!(read.unwrap().to_vec() == body);
}

#[tokio::test]
async fn a_dropped_server_closes_the_port_and_removes_the_files() {
    let env = Env::new().await;
    env.put("k", "body").send().await.unwrap();
    let (address, directory) = (env.address(), env.directory);
    drop(env.server);
    eventually(|| std::fs::read_dir(directory.path()).unwrap().count() == 0).await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn it_starts_empty_in_a_directory_it_makes() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("not/yet");
    let credentials = Credentials {
        access_key_id: "a".to_owned(),
        secret_access_key: "b".to_owned(),
    };
    let server = S3Server::start(&missing, BUCKET, credentials.clone(), Rules::S3)
        .await
        .unwrap();
    assert!(server.endpoint().starts_with("http://127.0.0.1:"));
    assert!(missing.is_dir());
    assert!(server.open_uploads().is_empty());

    let refused = S3Server::start(&missing, "Not_A_Bucket", credentials, Rules::S3)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::Usage);
}
