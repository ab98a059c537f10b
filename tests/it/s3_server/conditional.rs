//! Conditional requests: of many at once, exactly one may win.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;
use futures_util::future::join_all;

use super::kit::{BUCKET, Env, bytes, refusal};

const TAG_OF_NOTHING_HERE: &str = "\"00000000000000000000000000000000\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_to_a_free_key_one_wins() {
    let env = Env::new().await;
    let puts = (0..16).map(|writer| {
        env.put("once", format!("writer {writer}"))
            .if_none_match("*")
            .send()
    });
    let outcomes = join_all(puts).await;

    let winners: Vec<usize> = (0..16).filter(|writer| outcomes[*writer].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(outcome), (412, "PreconditionFailed".into()));
    }
    assert_eq!(
        env.bytes("once").await,
        format!("writer {}", winners[0]).into_bytes()
    );
    assert_eq!(env.files(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_over_one_version_one_wins() {
    let env = Env::new().await;
    let first = env.put("k", "first").send().await.unwrap();
    let tag = first.e_tag().unwrap();
    let outcomes =
        join_all((0..16).map(|writer| env.put("k", format!("{writer}")).if_match(tag).send())).await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(outcome), (412, "PreconditionFailed".into()));
    }
    assert_eq!(env.files(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_completed_uploads_to_a_free_key_one_wins() {
    let env = Env::new().await;
    let uploads = join_all((0..8).map(|_| env.upload("once"))).await;
    let completed = uploads.iter().enumerate().map(|(writer, upload)| async move {
        let part = upload.listed(1, format!("writer {writer}")).await;
        upload.complete(vec![part]).if_none_match("*").send().await
    });
    let outcomes = join_all(completed).await;

    let winners: Vec<usize> = (0..8).filter(|writer| outcomes[*writer].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(outcome), (412, "PreconditionFailed".into()));
    }
    assert_eq!(
        env.bytes("once").await,
        format!("writer {}", winners[0]).into_bytes()
    );
    // A refused upload is its owner's to abort.
    assert_eq!(env.server.open_uploads(), vec!["once"; 7]);
}

#[tokio::test]
async fn a_write_over_something_else_is_refused_and_leaves_it() {
    let env = Env::new().await;
    let missing = env.put("k", "new").if_match(TAG_OF_NOTHING_HERE).send().await;
    assert_eq!(refusal(missing), (404, "NoSuchKey".into()));

    env.put("k", "old").send().await.unwrap();
    let other = env.put("k", "new").if_match(TAG_OF_NOTHING_HERE).send().await;
    assert_eq!(refusal(other), (412, "PreconditionFailed".into()));
    let taken = env.put("k", "new").if_none_match("*").send().await;
    assert_eq!(refusal(taken), (412, "PreconditionFailed".into()));
    assert_eq!(env.bytes("k").await, b"old");
    assert_eq!(env.files(), 1);
}

#[tokio::test]
async fn a_delete_of_something_else_is_refused_and_leaves_it() {
    let env = Env::new().await;
    let put = env.put("k", "old").send().await.unwrap();
    let delete = || env.client.delete_object().bucket(BUCKET).key("k");
    let refused = delete().if_match(TAG_OF_NOTHING_HERE).send().await;
    assert_eq!(refusal(refused), (412, "PreconditionFailed".into()));
    assert_eq!(env.keys().await, ["k"]);
    delete().if_match(put.e_tag().unwrap()).send().await.unwrap();
    assert!(env.keys().await.is_empty());
}

#[tokio::test]
async fn reads_can_depend_on_the_tag() {
    let env = Env::new().await;
    let put = env.put("k", "body").send().await.unwrap();
    let tag = put.e_tag().unwrap();
    assert_eq!(bytes(env.get("k").if_match(tag)).await, b"body");
    assert_eq!(
        bytes(env.get("k").if_none_match(TAG_OF_NOTHING_HERE)).await,
        b"body"
    );
    let other = env.get("k").if_match(TAG_OF_NOTHING_HERE).send().await;
    assert_eq!(refusal(other), (412, "PreconditionFailed".into()));
    assert_eq!(refusal(env.get("k").if_none_match(tag).send().await).0, 304);
    let head = env
        .client
        .head_object()
        .bucket(BUCKET)
        .key("k")
        .if_none_match(tag);
    assert_eq!(refusal(head.send().await).0, 304);
}

#[tokio::test]
async fn reads_can_depend_on_the_time() {
    let env = Env::new().await;
    env.put("k", "body").send().await.unwrap();
    let told = *env.get("k").send().await.unwrap().last_modified().unwrap();
    let hour_ago = DateTime::from(SystemTime::now() - Duration::from_hours(1));
    // The time as it was told counts as unchanged: fractions of a second must not come in between.
    assert_eq!(refusal(env.get("k").if_modified_since(told).send().await).0, 304);
    assert_eq!(bytes(env.get("k").if_modified_since(hour_ago)).await, b"body");
    assert_eq!(bytes(env.get("k").if_unmodified_since(told)).await, b"body");
    let changed = env.get("k").if_unmodified_since(hour_ago).send().await;
    assert_eq!(refusal(changed), (412, "PreconditionFailed".into()));
}
