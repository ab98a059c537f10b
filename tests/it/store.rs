//! The store's client against the server of this process.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use paycraft_dr::error::Kind;
use paycraft_dr::store::retry::Patience;
use paycraft_dr::store::{Published, Store};

use super::kit::{TestStore, run};

mod listings;
mod names;
mod reading;
mod refusals;
mod retrying;

/// A client of `bucket` that does not pause between its tries.
fn hasty(bucket: &TestStore) -> Store {
    let moment = Duration::from_millis(1);
    let patience = Patience {
        first_pause: moment,
        longest_pause: moment,
        rest: moment,
        ..Patience::default()
    };
    Store::with_patience(&bucket.location(), patience)
}

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
        bucket.server.set_clock(SignedDuration::from_secs(2));
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
fn what_is_removed_is_gone_and_uploads_are_found_over_pages() {
    run(async {
        let bucket = TestStore::start().await;
        bucket.server.overwrite("k", b"x").expect("an object");
        bucket.store.delete("k").await.expect("an answer");
        bucket
            .store
            .delete("k")
            .await
            .expect("nothing to remove is no error");
        assert_eq!(bucket.store.head("k").await.expect("an answer"), None);

        let mut begun = Vec::new();
        for number in 0..1003 {
            begun.push(
                bucket
                    .store
                    .begin_upload(&format!("a b/{number:04}+"))
                    .await
                    .expect("an upload"),
            );
        }
        bucket.store.begin_upload("c").await.expect("an upload");
        let found = bucket.store.unfinished_uploads("a b/").await.expect("a listing");
        assert_eq!(found.len(), 1003);
        assert_eq!(found[1002].key, "a b/1002+");
        assert!(found[0].begun_at <= Timestamp::now());
        bucket.store.abort_unfinished(&found[0]).await.expect("an answer");
        bucket
            .store
            .abort_unfinished(&found[0])
            .await
            .expect("gone already");
        assert_eq!(bucket.server.open_uploads().len(), 1003);
    });
}
