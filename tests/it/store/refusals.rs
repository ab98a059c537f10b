//! What a refusal says to the person who has to act on it.

use jiff::{SignedDuration, Timestamp};
use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::store::Store;

use super::hasty;
use super::reading::answering;
use crate::kit::{TestStore, location, run};

/// A store error with a cause, a hint that says what it should, and no secret.
#[track_caller]
fn assert_says(error: &Error, cause: &str, hint: &str) {
    assert_eq!(error.kind(), Kind::Store, "{error}");
    let told = format!("{error}: {:?}, {:?}", error.causes(), error.next_step());
    assert!(
        error.causes().first().is_some_and(|first| first.contains(cause)),
        "{told}"
    );
    assert!(
        error.next_step().is_some_and(|step| step.contains(hint)),
        "{told}"
    );
    assert!(!told.contains("guess") && !told.contains("test-secret"), "{told}");
}

#[test]
fn wrong_credentials_are_told_apart() {
    run(async {
        let bucket = TestStore::start().await;
        let mut settings = bucket.location();
        settings.secret_access_key = paycraft_dr::model::secret::Secret::new("guess");
        let error = Store::new(&settings).list("").await.expect_err("refused");
        assert_says(&error, "SignatureDoesNotMatch", "R2_SECRET_ACCESS_KEY");

        let mut settings = bucket.location();
        settings.access_key_id = "somebody".to_owned();
        let error = Store::new(&settings).list("").await.expect_err("refused");
        assert_says(&error, "Unauthorized", "R2_ACCESS_KEY_ID");

        let length = "Invalid Argument: Credential access key has length 8, should be 32";
        let failure = RequestFailure::Refused(400, "InvalidArgument", length);
        bucket.server.fail_next(Operation::List, failure, 1);
        let error = bucket.store.list("").await.expect_err("refused");
        assert_says(&error, "has length 8", "R2_ACCESS_KEY_ID");

        let mut settings = bucket.location();
        settings.bucket = "no-such-bucket".to_owned();
        let error = Store::new(&settings).list("").await.expect_err("refused");
        assert_says(&error, "NoSuchBucket", "R2_BUCKET");

        let error = bucket.store.get("k", 100).await.expect_err("nothing there");
        assert_says(&error, "NoSuchKey", "list");
    });
}

#[test]
fn another_region_and_credentials_that_expired_are_named() {
    run(async {
        let bucket = TestStore::start().await;
        for (status, code, words, hint) in [
            (
                301,
                "PermanentRedirect",
                "use the endpoint eu-west-3",
                "R2_REGION",
            ),
            (
                400,
                "AuthorizationHeaderMalformed",
                "expecting 'eu-west-3'",
                "R2_REGION",
            ),
            (400, "ExpiredToken", "the token has expired", "get new ones"),
            (403, "InvalidToken", "malformed", "session token"),
        ] {
            let failure = RequestFailure::Refused(status, code, words);
            bucket.server.fail_next(Operation::List, failure, 1);
            let error = bucket.store.list("").await.expect_err("refused");
            assert_says(&error, words, hint);
        }
    });
}

#[test]
fn a_token_without_the_right_says_which_it_needs() {
    run(async {
        let bucket = TestStore::start().await;
        let denied = RequestFailure::Refused(403, "AccessDenied", "Access Denied");
        for operation in [Operation::BeginUpload, Operation::Put, Operation::Delete] {
            bucket.server.fail_next(operation, denied.clone(), 1);
        }
        for error in [
            bucket.store.begin_upload("k").await.expect_err("denied"),
            bucket
                .store
                .publish("k", vec![], "text/plain")
                .await
                .expect_err("denied"),
            bucket.store.delete("k").await.expect_err("denied"),
        ] {
            assert_says(&error, "AccessDenied: Access Denied", "Object Read & Write");
        }
        for operation in [Operation::List, Operation::Get, Operation::Head] {
            bucket.server.fail_next(operation, denied.clone(), 1);
        }
        assert_says(
            &bucket.store.list("").await.expect_err("denied"),
            "AccessDenied",
            "Object Read ",
        );
        assert_says(
            &bucket.store.get("k", 1).await.expect_err("denied"),
            "AccessDenied",
            "Object Read ",
        );
        let error = bucket.store.head("k").await.expect_err("denied");
        assert_says(&error, "403", "R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY");
        assert_eq!(bucket.server.failures_left(), 0);
    });
}

#[test]
fn a_key_that_is_written_too_often_blames_another_writer() {
    run(async {
        let bucket = TestStore::start().await;
        let store = hasty(&bucket);
        let publish = async || store.publish("k", vec![1], "text/plain").await;
        publish().await.expect("an object");
        let error = publish().await.expect_err("refused");
        assert_says(&error, "TooManyRequests", "one backup at a time");
    });
}

#[test]
fn a_clock_that_is_off_is_named_with_its_error() {
    run(async {
        let bucket = TestStore::start().await;
        for (hours, says) in [(3, "2 h 59 min behind"), (-3, "3 h 0 min ahead of")] {
            // Half a minute more, so that seconds do not tip the minute.
            let offset = SignedDuration::from_hours(hours) - SignedDuration::from_secs(30);
            bucket.server.set_clock(offset);
            let error = bucket.store.list("").await.expect_err("refused");
            assert_says(&error, says, "clock");
            let error = bucket.store.head("k").await.expect_err("refused");
            assert_says(&error, says, "clock");
            let error = bucket.store.begin_upload("k").await.expect_err("refused");
            assert_says(&error, says, "clock");
            let theirs = bucket.store.server_time().await.expect("an answer");
            let ahead = theirs.expect("a date").duration_since(Timestamp::now()) - offset;
            assert!(ahead.abs() < SignedDuration::from_secs(10), "{ahead}");
        }
        assert_eq!(bucket.store.retries(), 0, "a clock does not set itself");
        bucket.server.set_clock(SignedDuration::from_mins(14));
        bucket.store.list("").await.expect("near enough");
    });
}

#[test]
fn an_address_without_a_store_says_what_is_wrong_with_it() {
    run(async {
        let bucket = TestStore::start().await;
        let endpoint = bucket.server.endpoint();
        let hasty_at = |endpoint: &str| {
            let mut settings = location(endpoint, "guess");
            settings.endpoint = endpoint.to_owned();
            let patience = paycraft_dr::store::retry::RetryPolicy {
                attempts: 1,
                ..Default::default()
            };
            Store::with_patience(&settings, patience)
        };
        let tls = endpoint.replace("http:", "https:");
        let error = hasty_at(&tls).list("").await.expect_err("no TLS there");
        assert_says(&error, "", "https or http");
        let error = hasty_at("http://no-such-host.invalid")
            .list("")
            .await
            .expect_err("no such host");
        assert_says(&error, "", "no host has this name");
        bucket.server.stop().await;
        let error = hasty_at(&endpoint).list("").await.expect_err("nobody answers");
        assert_says(&error, "refused", "nothing listens there");
        let page = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
        let error = hasty_at(&answering(page).await)
            .list("")
            .await
            .expect_err("a page");
        assert_says(
            &error,
            "HTTP status 200",
            "https://ACCOUNT.r2.cloudflarestorage.com",
        );
        let page = "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
        let error = hasty_at(&answering(page).await)
            .list("")
            .await
            .expect_err("a page");
        assert_says(
            &error,
            "HTTP status 404",
            "https://ACCOUNT.r2.cloudflarestorage.com",
        );
    });
}
