//! What every kind of store does: the same tests against an S3 server and against a directory.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use paycraft_dr::error::Kind;
use paycraft_dr::store::{Published, Store, StoreAddress, UnfinishedUpload, Upload};
use tempfile::TempDir;

use crate::kit::{TestStore, run};

/// A store of some kind, and the way behind it.
pub(super) enum Backing {
    S3(TestStore),
    Directory { place: TempDir, store: Store },
}

impl Backing {
    pub(super) fn directory() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let store = Store::at(&StoreAddress::Directory(place.path().to_owned()));
        Self::Directory { place, store }
    }

    fn store(&self) -> &Store {
        match self {
            Self::S3(bucket) => &bucket.store,
            Self::Directory { store, .. } => store,
        }
    }

    /// Puts bytes under a key behind the store's back.
    fn put(&self, key: &str, bytes: &[u8]) {
        match self {
            Self::S3(bucket) => bucket.put(key, bytes),
            Self::Directory { place, .. } => {
                let file = place.path().join(key);
                std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
                std::fs::write(file, bytes).expect("a file");
            }
        }
    }

    /// Lets so much time pass that a key may be written again.
    fn wait(&self) {
        if let Self::S3(bucket) = self {
            bucket.server.set_clock(SignedDuration::from_secs(2));
        }
    }
}

/// Runs a test against each kind of store.
fn each(test: &impl AsyncFn(&Backing)) {
    run(async {
        test(&Backing::S3(TestStore::start().await)).await;
        test(&Backing::directory()).await;
    });
}

async fn uploads(store: &Store) -> Vec<UnfinishedUpload> {
    store.unfinished_uploads("").await.expect("a listing")
}

#[test]
fn a_listing_goes_over_pages_and_is_sorted() {
    each(&async |backing| {
        for number in (0..1100).rev() {
            backing.put(&format!("a/{number:04}"), b"x");
        }
        backing.put("b", b"xy");
        let store = backing.store();
        let listed = store.list("a/").await.expect("a listing");
        assert_eq!(listed.len(), 1100);
        assert!(listed.is_sorted_by(|left, right| left.key < right.key));
        assert_eq!(store.list("").await.expect("a listing").len(), 1101);
        assert_eq!(store.list("a/01").await.expect("a listing").len(), 100);
        assert_eq!(store.list("nothing/").await.expect("a listing").len(), 0);
        assert_eq!(store.used_bytes().await.expect("a sum"), 1102);
    });
}

/// `a-b` comes before `a/b`, and that before `a0`: by bytes, and not by directory.
#[test]
fn keys_are_sorted_by_their_bytes() {
    each(&async |backing| {
        for key in ["a0", "a/b", "a-b", "a/b c+ü%41"] {
            backing.put(key, b"x");
        }
        let listed = backing.store().list("a").await.expect("a listing");
        let keys: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
        assert_eq!(keys, ["a-b", "a/b", "a/b c+ü%41", "a0"]);
        let found = backing.store().get("a/b c+ü%41", 9).await;
        assert_eq!(found.expect("an object"), "x");
    });
}

#[test]
fn publishing_happens_once() {
    each(&async |backing| {
        let store = backing.store();
        let publish = |text: &'static str| store.publish("d/k", text.into(), "text/plain");
        assert_eq!(publish("first").await.expect("an answer"), Published::Now);
        backing.wait();
        assert_eq!(publish("second").await.expect("an answer"), Published::Before);
        assert_eq!(store.get("d/k", 100).await.expect("an object"), "first");
        let facts = store.head("d/k").await.expect("an answer").expect("an object");
        assert_eq!((facts.bytes, facts.is_ours), (5, false));
        let apart = Timestamp::now().duration_since(facts.stored_at.expect("a date"));
        assert!(apart.abs() < SignedDuration::from_mins(1), "{apart}");
    });
}

#[test]
fn an_upload_appears_when_it_is_complete() {
    each(&async |backing| {
        let store = backing.store();
        let upload = store.begin_upload("k").await.expect("an upload");
        let first = Bytes::from(vec![1; 5 << 20]);
        let second = upload.put_part(2, Bytes::from_static(b"end")).await;
        let second = second.expect("a part");
        let first = upload.put_part(1, first).await.expect("a part");
        assert_eq!(store.head("k").await.expect("an answer"), None);
        assert_eq!(store.list("").await.expect("a listing").len(), 0);
        let open = uploads(store).await;
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].key, "k");
        assert!(upload.is(&open[0].id));
        upload.complete(vec![second, first]).await.expect("an object");
        let facts = store.head("k").await.expect("an answer").expect("an object");
        assert_eq!((facts.bytes, facts.is_ours), ((5 << 20) + 3, true));
        let end = store.get_range("k", (5 << 20) - 1..(5 << 20) + 3).await;
        assert_eq!(end.expect("bytes"), "\u{1}end");
        assert!(uploads(store).await.is_empty());
        store.delete("k").await.expect("an answer");
        // What comes to the same key by other ways is another's.
        backing.put("k", b"another's");
        let facts = store.head("k").await.expect("an answer").expect("an object");
        assert_eq!((facts.bytes, facts.is_ours), (9, false));
    });
}

#[test]
fn an_upload_never_replaces_what_is_there() {
    each(&async |backing| {
        let store = backing.store();
        let upload = store.begin_upload("k").await.expect("an upload");
        let part = upload.put_part(1, Bytes::from_static(b"new")).await;
        backing.put("k", b"there");
        let error = upload.complete(vec![part.expect("a part")]).await;
        assert_eq!(error.expect_err("taken").kind(), Kind::Store);
        assert_eq!(store.get("k", 9).await.expect("an object"), "there");
        let facts = store.head("k").await.expect("an answer").expect("an object");
        assert!(!facts.is_ours);
        store.abort_open_uploads().await.expect("an answer");
        assert!(uploads(store).await.is_empty());
    });
}

#[test]
fn open_uploads_are_aborted() {
    each(&async |backing| {
        let store = backing.store();
        let upload = store.begin_upload("k").await.expect("an upload");
        let part = |number| upload.put_part(number, Bytes::from_static(b"x"));
        part(1).await.expect("a part");
        store.abort_open_uploads().await.expect("an answer");
        assert!(uploads(store).await.is_empty());
        let error = part(2).await.expect_err("the upload is gone");
        assert_eq!(error.kind(), Kind::Store);
        store
            .abort_open_uploads()
            .await
            .expect("nothing is left to abort");
        assert_eq!(store.list("").await.expect("a listing").len(), 0);
    });
}

#[test]
fn an_object_past_the_limit_is_refused() {
    each(&async |backing| {
        backing.put("k", &[0; 101]);
        let error = backing.store().get("k", 100).await.expect_err("too large");
        assert_eq!(error.kind(), Kind::Corrupt);
        assert_eq!(backing.store().get("k", 101).await.expect("an object").len(), 101);
    });
}

#[test]
fn a_range_ends_where_the_object_does() {
    each(&async |backing| {
        backing.put("k", b"0123456789");
        for (range, brings) in [
            (0..10, "0123456789"),
            (8..20, "89"),
            (10..20, ""),
            (20..21, ""),
            (5..5, ""),
        ] {
            let read = backing.store().get_range("k", range.clone()).await;
            assert_eq!(read.expect("an answer"), brings, "{range:?}");
        }
    });
}

#[test]
fn what_is_not_there_is_told_with_a_hint() {
    each(&async |backing| {
        let store = backing.store();
        assert_eq!(store.head("a/k").await.expect("an answer"), None);
        for error in [
            store.get("a/k", 9).await.expect_err("nothing"),
            store.get_range("a/k", 0..9).await.expect_err("nothing"),
        ] {
            assert_eq!(error.kind(), Kind::Store);
            assert!(error.next_step().expect("a hint").contains("list"), "{error:?}");
        }
        store.delete("a/k").await.expect("nothing to remove is no error");
    });
}

#[test]
fn a_prefix_hides_all_that_is_outside() {
    each(&async |backing| {
        let store = backing.store().clone().below("product/production/");
        backing.put("k", b"outside");
        let published = store.publish("k", b"inside".to_vec(), "text/plain").await;
        assert_eq!(published.expect("an answer"), Published::Now);
        let upload = store.begin_upload("u").await.expect("an upload");
        assert_eq!(uploads(&store).await[0].key, "u");
        assert_eq!(uploads(backing.store()).await[0].key, "product/production/u");
        assert!(
            uploads(&backing.store().clone().below("product/staging/"))
                .await
                .is_empty()
        );
        upload.abort().await.expect("an answer");
        let listed = store.list("").await.expect("a listing");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].key, "k");
        assert_eq!(store.get("k", 9).await.expect("an object"), "inside");
        assert_eq!(store.used_bytes().await.expect("a sum"), 13);
        store.delete("k").await.expect("an answer");
        assert_eq!(backing.store().get("k", 9).await.expect("an object"), "outside");
    });
}

#[test]
fn one_may_write_and_nothing_is_left_of_the_try() {
    each(&async |backing| {
        backing.store().check_may_write().await.expect("rights");
        backing.store().probe_write().await.expect("rights");
        assert_eq!(backing.store().list("").await.expect("a listing").len(), 0);
        assert!(uploads(backing.store()).await.is_empty());
    });
}

#[test]
fn what_is_removed_is_gone_and_uploads_are_found_over_pages() {
    each(&async |backing| {
        let store = backing.store();
        backing.put("k", b"x");
        store.delete("k").await.expect("an answer");
        store.delete("k").await.expect("nothing to remove is no error");
        assert_eq!(store.head("k").await.expect("an answer"), None);

        for number in 0..1003 {
            let begun = store.begin_upload(&format!("a b/{number:04}+")).await;
            begun.expect("an upload");
        }
        store.begin_upload("c").await.expect("an upload");
        let found = store.unfinished_uploads("a b/").await.expect("a listing");
        assert_eq!(found.len(), 1003);
        assert_eq!(found[1002].key, "a b/1002+");
        assert!(found[0].begun_at <= Timestamp::now());
        store.abort_unfinished(&found[0]).await.expect("an answer");
        store.abort_unfinished(&found[0]).await.expect("gone already");
        assert_eq!(uploads(store).await.len(), 1003);
    });
}

/// Two that begin in one second see each other, and agree on who comes first.
#[test]
fn uploads_of_one_key_are_told_apart() {
    each(&async |backing| {
        let store = backing.store();
        let first = store.begin_upload("k").await.expect("an upload");
        let second = store.begin_upload("k").await.expect("an upload");
        let ids: Vec<String> = uploads(store).await.into_iter().map(|upload| upload.id).collect();
        assert_eq!(ids.len(), 2);
        assert_ne!(first.is(&ids[0]), second.is(&ids[0]));
        let other = |upload: &Upload| ids.iter().find(|id| !upload.is(id)).expect("two").clone();
        assert_ne!(first.is_after(&other(&first)), second.is_after(&other(&second)));
        first.abort().await.expect("an answer");
        assert!(second.is(&uploads(store).await[0].id));
        let part = second
            .put_part(1, Bytes::from_static(b"x"))
            .await
            .expect("a part");
        second.complete(vec![part]).await.expect("an object");
    });
}
