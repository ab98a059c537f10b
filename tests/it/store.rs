//! The store's client against the server of this process.

use bytes::Bytes;
use paycraft_dr::error::Kind;
use paycraft_dr::store::{Published, Store};

use super::kit::{TestStore, location, run};

#[test]
fn a_listing_goes_over_pages_and_is_sorted() {
    run(async {
        let bucket = TestStore::start().await;
        for number in (0..1100).rev() {
            bucket
                .server
                .overwrite(&format!("a/{number:04}"), b"x")
                .expect("an object");
        }
        bucket.server.overwrite("b", b"x").expect("an object");
        let listed = bucket.store.list("a/").await.expect("a listing");
        assert_eq!(listed.len(), 1100);
        assert!(listed.is_sorted_by(|left, right| left.key < right.key));
        assert_eq!(bucket.store.list("").await.expect("a listing").len(), 1101);
    });
}

#[test]
fn publishing_happens_once() {
    run(async {
        let bucket = TestStore::start().await;
        let publish = |text: &'static str| bucket.store.publish("k", text.into(), "text/plain");
        assert_eq!(publish("first").await.expect("an answer"), Published::Now);
        assert_eq!(publish("second").await.expect("an answer"), Published::Before);
        assert_eq!(bucket.store.get("k", 100).await.expect("an object"), "first");
    });
}

#[test]
fn an_upload_appears_when_it_is_complete() {
    run(async {
        let bucket = TestStore::start().await;
        let upload = bucket.store.begin_upload("k").await.expect("an upload");
        let first = Bytes::from(vec![1; 5 << 20]);
        let second = upload
            .put_part(2, Bytes::from_static(b"end"))
            .await
            .expect("a part");
        let first = upload.put_part(1, first).await.expect("a part");
        assert_eq!(bucket.store.head("k").await.expect("an answer"), None);
        assert_eq!(bucket.server.open_uploads(), ["k"]);
        upload.complete(vec![second, first]).await.expect("an object");
        let facts = bucket
            .store
            .head("k")
            .await
            .expect("an answer")
            .expect("an object");
        assert_eq!((facts.bytes, facts.is_ours), ((5 << 20) + 3, true));
        assert_eq!(
            bucket
                .store
                .get_range("k", (5 << 20)..(5 << 20) + 3)
                .await
                .expect("bytes"),
            "end"
        );
        assert!(bucket.server.open_uploads().is_empty());
    });
}

#[test]
fn open_uploads_are_aborted() {
    run(async {
        let bucket = TestStore::start().await;
        let upload = bucket.store.begin_upload("k").await.expect("an upload");
        upload
            .put_part(1, Bytes::from_static(b"x"))
            .await
            .expect("a part");
        bucket.store.abort_open_uploads().await.expect("an answer");
        assert!(bucket.server.open_uploads().is_empty());
        upload
            .put_part(2, Bytes::from_static(b"x"))
            .await
            .expect_err("the upload is gone");
        bucket
            .store
            .abort_open_uploads()
            .await
            .expect("nothing is left to abort");
    });
}

#[test]
fn an_object_past_the_limit_is_refused() {
    run(async {
        let bucket = TestStore::start().await;
        bucket.server.overwrite("k", &[0; 101]).expect("an object");
        assert_eq!(
            bucket.store.get("k", 100).await.expect_err("too large").kind(),
            Kind::Corrupt
        );
    });
}

#[test]
fn refusals_say_what_to_do() {
    run(async {
        let bucket = TestStore::start().await;
        let endpoint = bucket.server.endpoint();
        let wrong_secret = Store::new(&location(&endpoint, "guess"))
            .list("")
            .await
            .expect_err("refused");
        let mut elsewhere = location(&endpoint, "test-secret-access-key");
        elsewhere.bucket = "no-such-bucket".to_owned();
        let no_bucket = Store::new(&elsewhere).list("").await.expect_err("refused");
        let missing = bucket.store.get("k", 100).await.expect_err("nothing there");
        bucket.server.stop().await;
        let unreachable = bucket.store.list("").await.expect_err("nobody answers");
        for (error, says) in [
            (wrong_secret, "R2_SECRET_ACCESS_KEY"),
            (no_bucket, "R2_BUCKET"),
            (missing, "list"),
            (unreachable, "R2_ENDPOINT_URL"),
        ] {
            assert_eq!(error.kind(), Kind::Store, "{error}");
            assert!(
                error.next_step().expect("a hint").contains(says),
                "{error}: {:?}",
                error.next_step()
            );
            assert!(!error.causes().is_empty(), "{error} has a cause");
            let told = format!("{error} {:?}", error.causes());
            assert!(!told.contains("guess") && !told.contains("test-secret"), "{told}");
        }
    });
}
