//! What is tried again, and what a lost answer leaves.

use std::time::Duration;

use bytes::Bytes;
use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::error::Kind;
use paycraft_dr::model::key::Selector;
use paycraft_dr::store::retry::{RetryPolicy, is_temporary};
use paycraft_dr::store::{Published, Store};
use proptest::prelude::*;

use super::hasty;
use crate::kit::{self, SMALL_SCHEMA, TestStore, World, run};

const DOWN: RequestFailure =
    RequestFailure::Refused(503, "ServiceUnavailable", "Service is temporarily unavailable.");

proptest! {
    #[test]
    fn pauses_grow_and_stay_bounded(tries in 1..40_u32, random in 0.0..1.0) {
        let patience = RetryPolicy::default();
        let pause = patience.pause(tries, random);
        prop_assert!(pause >= patience.first_pause / 2);
        prop_assert!(pause <= patience.longest_pause);
        prop_assert!(patience.pause(tries + 1, random) >= pause);
    }
}

#[test]
fn only_what_may_pass_is_temporary() {
    for (status, code) in [
        (429, Some("TooManyRequests")),
        (500, Some("InternalError")),
        (502, None),
        (503, Some("SlowDown")),
        (504, None),
        (522, None),
        (400, Some("IncompleteBody")),
        (400, Some("ClientDisconnect")),
        (409, Some("ConditionalRequestConflict")),
    ] {
        assert!(is_temporary(status, code), "{status} {code:?}");
    }
    for (status, code) in [
        (400, Some("InvalidPart")),
        (401, Some("Unauthorized")),
        (403, Some("AccessDenied")),
        (403, Some("RequestTimeTooSkewed")),
        (404, Some("NoSuchKey")),
        (404, None),
        (409, Some("BucketNotEmpty")),
        (412, Some("PreconditionFailed")),
        (501, Some("NotImplemented")),
    ] {
        assert!(!is_temporary(status, code), "{status} {code:?}");
    }
}

#[test]
fn what_is_temporary_is_tried_again_and_what_is_not_is_not() {
    run(async {
        let bucket = TestStore::start().await;
        bucket.server.overwrite("k", b"x").expect("an object");
        let store = hasty(&bucket);
        for (count, failure) in (1..).zip([
            RequestFailure::Refused(500, "InternalError", ""),
            RequestFailure::Refused(503, "SlowDown", ""),
            RequestFailure::Refused(429, "TooManyRequests", ""),
            RequestFailure::Refused(522, "", ""),
            RequestFailure::Refused(400, "IncompleteBody", ""),
            RequestFailure::AnswerLost,
        ]) {
            bucket.server.fail_next(Operation::List, failure.clone(), 2);
            assert_eq!(
                store.list("").await.expect("the third try").len(),
                1,
                "{failure:?}"
            );
            assert_eq!(store.retries(), 2 * count, "{failure:?}");
        }
        for failure in [
            RequestFailure::Refused(403, "AccessDenied", ""),
            RequestFailure::Refused(404, "NoSuchBucket", ""),
            RequestFailure::Refused(501, "NotImplemented", ""),
        ] {
            bucket.server.fail_next(Operation::List, failure, 2);
            store.list("").await.expect_err("refused");
            assert_eq!(bucket.server.failures_left(), 1, "one try");
            bucket.server.heal();
        }
    });
}

#[test]
fn tries_are_bounded_and_a_transfer_is_worth_more_of_them() {
    run(async {
        let bucket = TestStore::start().await;
        let store = hasty(&bucket);
        bucket.server.fail_next(Operation::List, DOWN, 1000);
        store.list("").await.expect_err("given up");
        assert_eq!(bucket.server.failures_left(), 1000 - 5);
        bucket.server.heal();
        bucket.server.fail_next(Operation::Get, DOWN, 1000);
        store.get("k", 9).await.expect_err("given up");
        assert_eq!(bucket.server.failures_left(), 1000 - 10);
        assert_eq!(store.retries(), 4 + 9);
    });
}

#[test]
fn a_store_that_says_nothing_is_asked_again() {
    run(async {
        let bucket = TestStore::start().await;
        let patience = RetryPolicy {
            attempts: 2,
            answer: Duration::from_millis(300),
            ..RetryPolicy::default()
        };
        let store = Store::with_patience(&bucket.location(), patience);
        bucket
            .server
            .fail_next(Operation::List, RequestFailure::Silence, 2);
        let error = store.list("").await.expect_err("no answer");
        assert_eq!(error.causes(), ["no answer came in time"]);
        assert_eq!((store.retries(), bucket.server.failures_left()), (1, 0));
    });
}

#[test]
fn a_failed_part_is_sent_again_by_itself() {
    run(async {
        let bucket = TestStore::start().await;
        let store = hasty(&bucket);
        let upload = store.begin_upload("k").await.expect("an upload");
        let part = Bytes::from(vec![1; 5 << 20]);
        let first = upload.put_part(1, part).await.expect("a part");
        let failure = RequestFailure::Refused(500, "InternalError", "");
        bucket.server.fail_next(Operation::PutPart, failure, 1);
        bucket
            .server
            .fail_next(Operation::PutPart, RequestFailure::AnswerLost, 1);
        let second = upload
            .put_part(2, Bytes::from_static(b"end"))
            .await
            .expect("the third try");
        upload.complete(vec![first, second]).await.expect("an object");
        assert_eq!(bucket.server.read("k").expect("an object").len(), (5 << 20) + 3);
        assert_eq!(store.retries(), 2);
    });
}

#[test]
fn an_upload_whose_beginning_was_not_heard_of_is_let_go_of() {
    run(async {
        let bucket = TestStore::start().await;
        bucket
            .server
            .fail_next(Operation::BeginUpload, RequestFailure::AnswerLost, 2);
        let upload = hasty(&bucket).begin_upload("k").await.expect("the third try");
        assert_eq!(bucket.server.open_uploads(), ["k"]);
        let part = upload
            .put_part(1, Bytes::from_static(b"x"))
            .await
            .expect("a part");
        upload.complete(vec![part]).await.expect("an object");
        assert!(bucket.server.open_uploads().is_empty());
    });
}

#[test]
fn an_object_whose_completion_was_not_heard_of_is_complete() {
    run(async {
        let bucket = TestStore::start().await;
        let lose = |operation| bucket.server.fail_next(operation, RequestFailure::AnswerLost, 1);
        let upload = bucket.store.begin_upload("k").await.expect("an upload");
        let part = upload
            .put_part(1, Bytes::from_static(b"x"))
            .await
            .expect("a part");
        lose(Operation::Complete);
        upload.complete(vec![part]).await.expect("what was done is done");
        assert_eq!(bucket.server.read("k").expect("an object"), b"x");
        bucket.store.abort_open_uploads().await.expect("nothing is left");

        lose(Operation::Put);
        let published = bucket.store.publish("m", b"{}".to_vec(), "text/plain").await;
        assert_eq!(published.expect("an answer"), Published::Before);
        assert_eq!(bucket.server.read("m").expect("an object"), b"{}");
    });
}

#[test]
fn an_object_of_somebody_else_is_not_taken_for_ours() {
    run(async {
        let bucket = TestStore::start().await;
        let mut uploads = Vec::new();
        for body in ["one", "two"] {
            let upload = bucket.store.begin_upload("k").await.expect("an upload");
            let part = upload.put_part(1, Bytes::from(body)).await.expect("a part");
            uploads.push((upload, part));
        }
        let (second, part) = uploads.pop().expect("two");
        second.complete(vec![part]).await.expect("an object");
        let (first, part) = uploads.pop().expect("one");
        let error = first
            .complete(vec![part])
            .await
            .expect_err("something stands there");
        assert_eq!(error.kind(), Kind::Store);
        assert_eq!(bucket.server.read("k").expect("an object"), b"two");
    });
}

#[test]
fn a_backup_is_made_and_restored_over_a_line_that_breaks() {
    run(async {
        let Some(world) = World::new().await else { return };
        let server = &world.bucket.server;
        let source = world.postgres.source(SMALL_SCHEMA).await;
        for operation in [Operation::BeginUpload, Operation::PutPart] {
            server.fail_next(operation, DOWN, 1);
        }
        for operation in [Operation::BeginUpload, Operation::Complete, Operation::Put] {
            server.fail_next(operation, RequestFailure::AnswerLost, 1);
        }
        world.back_up(&source).await.expect("a backup");
        assert_eq!(server.failures_left(), 0);
        assert!(server.open_uploads().is_empty());

        server.fail_next(Operation::List, DOWN, 1);
        server.fail_next(Operation::Get, RequestFailure::BodyCut(100), 3);
        server.fail_next(Operation::Head, RequestFailure::AnswerLost, 1);
        let restored = world.restore(Selector::Latest).await.expect("a restore");
        assert_eq!(server.failures_left(), 0);
        assert_eq!(kit::failed(&restored.verification), [""; 0]);
    });
}

#[test]
fn no_rule_of_r2_is_ever_met() {
    run(async {
        let Some(world) = World::new().await else { return };
        // Incompressible, so that there are several parts.
        let big = "CREATE TABLE noise AS SELECT n, encode(sha512(n::text::bytea), 'base64') AS text \
                   FROM generate_series(1, 300000) AS n";
        let source = world.postgres.source(&format!("{SMALL_SCHEMA} {big}")).await;
        let made = world.back_up(&source).await.expect("a backup");
        assert!(
            made.manifest.stored_bytes > 16 << 20,
            "{}",
            made.manifest.stored_bytes
        );
        world.restore(Selector::Latest).await.expect("a restore");
        // What is refused is either an error or tried again.
        assert_eq!(world.bucket.store.retries(), 0);
    });
}
