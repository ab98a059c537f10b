//! Who may do what is asked.

use paycraft_dr::drill::s3_server::Credentials;

use super::kit::{BUCKET, Env, KEY_ID, SECRET, client, exchange, refusal};

#[tokio::test]
async fn a_wrong_secret_is_refused_and_changes_nothing() {
    let env = Env::new().await;
    let stranger = client(&env.server.endpoint(), KEY_ID, "guessed");
    let put = stranger
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .body(b"x".to_vec().into());
    assert_eq!(refusal(put.send().await), (403, "SignatureDoesNotMatch".into()));
    assert!(env.keys().await.is_empty());
    assert_eq!(env.files(), 0);
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let env = Env::new().await;
    let stranger = client(&env.server.endpoint(), "someone", SECRET);
    let list = stranger.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(refusal(list), (403, "InvalidAccessKeyId".into()));
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let env = Env::new().await;
    env.put("k", "private").send().await.unwrap();
    let request = format!(
        "GET /{BUCKET}/k HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        env.address()
    );
    let answer = exchange(env.connect().await, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert!(!answer.contains("private"), "{answer}");
}

#[test]
fn the_secret_is_not_printed() {
    let credentials = Credentials {
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned(),
    };
    let printed = format!("{credentials:?}");
    assert!(printed.contains(KEY_ID), "{printed}");
    assert!(!printed.contains(SECRET), "{printed}");
}
