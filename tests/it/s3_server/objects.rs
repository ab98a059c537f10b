//! Buckets and whole objects.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier};

use super::kit::{BUCKET, Env, bytes, pattern, refusal};

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let env = Env::new().await;
    let put = env
        .put("2026/11/23/backup.dump.gz", "hello")
        .content_type("application/gzip")
        .content_encoding("identity")
        .cache_control("no-store")
        .metadata("origin", "drill");
    let tag = put.send().await.unwrap().e_tag().unwrap().to_owned();
    assert_eq!(tag, "\"5d41402abc4b2a76b9719d911017c592\"");

    let got = env.get("2026/11/23/backup.dump.gz").send().await.unwrap();
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.content_type(), Some("application/gzip"));
    assert_eq!(got.content_encoding(), Some("identity"));
    assert_eq!(got.cache_control(), Some("no-store"));
    assert_eq!(got.metadata().unwrap()["origin"], "drill");
    assert_eq!(got.e_tag(), Some(tag.as_str()));
    let modified = SystemTime::try_from(*got.last_modified().unwrap()).unwrap();
    assert!(modified.elapsed().unwrap() < Duration::from_mins(1));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");

    let head = env
        .client
        .head_object()
        .bucket(BUCKET)
        .key("2026/11/23/backup.dump.gz");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.content_type(), Some("application/gzip"));
    assert_eq!(head.metadata().unwrap()["origin"], "drill");
    assert_eq!(head.e_tag(), Some(tag.as_str()));
}

#[tokio::test]
async fn what_was_deleted_is_gone_with_its_file() {
    let env = Env::new().await;
    env.put("k", "hello").send().await.unwrap();
    for _ in 0..2 {
        let delete = env.client.delete_object().bucket(BUCKET).key("k");
        delete.send().await.unwrap();
        assert_eq!(refusal(env.get("k").send().await), (404, "NoSuchKey".into()));
        let head = env.client.head_object().bucket(BUCKET).key("k").send().await;
        assert_eq!(refusal(head).0, 404);
    }
    assert_eq!(env.files(), 0);
}

#[tokio::test]
async fn a_replaced_object_leaves_no_file() {
    let env = Env::new().await;
    for body in ["one", "two", "three"] {
        env.put("k", body).send().await.unwrap();
    }
    assert_eq!(env.bytes("k").await, b"three");
    assert_eq!(env.files(), 1);
}

#[tokio::test]
async fn a_reader_keeps_what_it_began_to_read() {
    let env = Env::new().await;
    let body = pattern(16 << 20);
    env.put("k", body.clone()).send().await.unwrap();
    let got = env.get("k").send().await.unwrap();
    env.put("k", "other").send().await.unwrap();
    assert!(got.body.collect().await.unwrap().to_vec() == body);
}

#[tokio::test]
async fn an_object_may_be_empty() {
    let env = Env::new().await;
    env.put("k", "").send().await.unwrap();
    let got = env.get("k").send().await.unwrap();
    assert_eq!(got.content_length(), Some(0));
    assert_eq!(got.e_tag(), Some("\"d41d8cd98f00b204e9800998ecf8427e\""));
    assert!(got.body.collect().await.unwrap().to_vec().is_empty());
    let range = env.get("k").range("bytes=0-0").send().await;
    assert_eq!(refusal(range), (416, "InvalidRange".into()));
}

#[tokio::test]
async fn a_key_may_be_anything() {
    let env = Env::new().await;
    let long = "k".repeat(1024);
    let keys = [
        "x",
        "x/y",
        "x/",
        "../../etc/passwd",
        "./a/../b",
        "a//b",
        "with space",
        "a+b",
        "100%",
        "%2e%2e%2f",
        "quote\"<&>'",
        "a?b=c#d",
        "grüße/日本/🦀",
        long.as_str(),
    ];
    for key in keys {
        env.put(key, format!("body of {key}")).send().await.unwrap();
    }
    for key in keys {
        assert_eq!(
            env.bytes(key).await,
            format!("body of {key}").into_bytes(),
            "{key}"
        );
    }
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(env.keys().await, sorted);
    assert_eq!(env.files(), keys.len());
}

#[tokio::test]
async fn ranges_select_bytes() {
    let env = Env::new().await;
    let body = pattern(700_000);
    env.put("k", body.clone()).send().await.unwrap();
    for (range, selected) in [
        ("bytes=0-0", 0..1),
        ("bytes=10-19", 10..20),
        ("bytes=262143-524288", 262_143..524_289),
        ("bytes=699999-", 699_999..700_000),
        ("bytes=1000-", 1000..700_000),
        ("bytes=-5", 699_995..700_000),
        ("bytes=-9999999", 0..700_000),
        ("bytes=699000-9999999", 699_000..700_000),
    ] {
        let got = env.get("k").range(range).send().await.unwrap();
        let told = format!("bytes {}-{}/700000", selected.start, selected.end - 1);
        assert_eq!(got.content_range(), Some(told.as_str()));
        assert_eq!(got.content_length(), Some(i64::try_from(selected.len()).unwrap()));
        assert!(
            got.body.collect().await.unwrap().to_vec() == body[selected],
            "{range}"
        );
    }
    for range in ["bytes=700000-", "bytes=700000-700001", "bytes=-0"] {
        let refused = env.get("k").range(range).send().await;
        assert_eq!(refusal(refused), (416, "InvalidRange".into()), "{range}");
    }
}

#[tokio::test]
async fn a_copy_stands_on_its_own() {
    let env = Env::new().await;
    let put = env
        .put("from here", "body")
        .content_type("text/plain")
        .metadata("a", "b");
    put.send().await.unwrap();
    let copy = |to: &str| {
        let copy = env.client.copy_object().bucket(BUCKET).key(to);
        copy.copy_source(format!("{BUCKET}/from%20here"))
    };
    copy("kept").send().await.unwrap();
    copy("replaced")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("c", "d")
        .send()
        .await
        .unwrap();
    let itself = copy("from here").send().await;
    assert_eq!(refusal(itself), (400, "InvalidRequest".into()));
    let condition = copy("never").copy_source_if_match("\"00\"").send().await;
    assert_eq!(refusal(condition), (412, "PreconditionFailed".into()));

    env.client
        .delete_object()
        .bucket(BUCKET)
        .key("from here")
        .send()
        .await
        .unwrap();
    let kept = env.get("kept").send().await.unwrap();
    assert_eq!(kept.content_type(), Some("text/plain"));
    assert_eq!(kept.metadata().unwrap()["a"], "b");
    assert_eq!(kept.body.collect().await.unwrap().to_vec(), b"body");
    let replaced = env.get("replaced").send().await.unwrap();
    assert_eq!(replaced.content_type(), Some("binary/octet-stream"));
    assert_eq!(replaced.metadata().unwrap().get("a"), None);
    assert_eq!(replaced.metadata().unwrap()["c"], "d");
    assert_eq!(env.keys().await, ["kept", "replaced"]);
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let env = Env::new().await;
    for key in ["a", "b/c", "kept"] {
        env.put(key, key).send().await.unwrap();
    }
    let objects = ["a", "b/c", "never was"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder()
        .set_objects(Some(objects.into()))
        .build()
        .unwrap();
    let deleted = env
        .client
        .delete_objects()
        .bucket(BUCKET)
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert!(deleted.errors().is_empty());
    assert_eq!(deleted.deleted().len(), 3);
    assert_eq!(env.keys().await, ["kept"]);
    assert_eq!(env.files(), 1);
}

#[tokio::test]
async fn nothing_is_put_into_a_bucket_that_is_missing() {
    let env = Env::new().await;
    let missing = (404, "NoSuchBucket".to_owned());
    let put = env.put("k", "x").bucket("nowhere").send().await;
    assert_eq!(refusal(put), missing);
    assert_eq!(refusal(env.get("k").bucket("nowhere").send().await), missing);
    let list = env.client.list_objects_v2().bucket("nowhere").send().await;
    assert_eq!(refusal(list), missing);
    let create = env.client.create_multipart_upload().bucket("nowhere").key("k");
    assert_eq!(refusal(create.send().await), missing);
    let delete = env.client.delete_object().bucket("nowhere").key("k");
    assert_eq!(refusal(delete.send().await), missing);
    let head = env.client.head_bucket().bucket("nowhere").send().await;
    assert_eq!(refusal(head).0, 404);
    assert_eq!(env.files(), 0);
}

#[tokio::test]
async fn buckets_are_made_listed_and_removed_when_empty() {
    let env = Env::new().await;
    let create = || env.client.create_bucket().bucket("another").send();
    create().await.unwrap();
    assert_eq!(refusal(create().await), (409, "BucketAlreadyOwnedByYou".into()));
    let listed = env.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed
        .buckets()
        .iter()
        .map(|bucket| bucket.name().unwrap())
        .collect();
    assert_eq!(names, ["another", BUCKET]);
    env.client.head_bucket().bucket("another").send().await.unwrap();
    env.client
        .get_bucket_location()
        .bucket("another")
        .send()
        .await
        .unwrap();

    env.put("k", "x").bucket("another").send().await.unwrap();
    assert_eq!(refusal(env.get("k").send().await), (404, "NoSuchKey".into()));
    let delete = || env.client.delete_bucket().bucket("another").send();
    assert_eq!(refusal(delete().await), (409, "BucketNotEmpty".into()));
    assert_eq!(bytes(env.get("k").bucket("another")).await, b"x");
    env.client
        .delete_object()
        .bucket("another")
        .key("k")
        .send()
        .await
        .unwrap();
    delete().await.unwrap();
    assert_eq!(refusal(delete().await), (404, "NoSuchBucket".into()));
}

#[tokio::test]
async fn stored_bytes_can_be_damaged_behind_the_index() {
    let env = Env::new().await;
    let put = env
        .put("k", "whole")
        .content_type("text/plain")
        .send()
        .await
        .unwrap();
    assert_eq!(env.server.read("k"), Some(b"whole".to_vec()));
    env.server.overwrite("k", b"who").unwrap();
    let got = env.get("k").send().await.unwrap();
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.content_length(), Some(3));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"who");

    env.server.overwrite("stray", b"put by nobody").unwrap();
    assert_eq!(env.bytes("stray").await, b"put by nobody");
    assert!(env.server.remove("k"));
    assert!(!env.server.remove("k"));
    assert_eq!(env.server.read("k"), None);
    assert_eq!(env.keys().await, ["stray"]);
    assert_eq!(env.files(), 1);
}
