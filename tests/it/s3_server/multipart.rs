//! Uploads in parts.

use aws_sdk_s3::types::CompletedPart;

use super::kit::{BUCKET, Env, PART, bytes, listed, pattern, refusal};

#[tokio::test]
async fn parts_become_one_object() {
    let env = Env::new().await;
    let create = env.client.create_multipart_upload().bucket(BUCKET).key("k");
    let created = create
        .content_type("application/gzip")
        .metadata("a", "b")
        .send()
        .await
        .unwrap();
    let mut upload = env.upload("k").await;
    upload.abort().send().await.unwrap();
    upload.id = created.upload_id().unwrap().to_owned();

    let body = pattern(2 * PART + 1234);
    // In any order, as parallel uploads do.
    let mut parts = Vec::new();
    for (number, piece) in (1..).zip(body.chunks(PART)).collect::<Vec<_>>().into_iter().rev() {
        parts.insert(0, upload.listed(number, piece).await);
    }
    assert_eq!(env.server.open_uploads(), ["k"]);
    assert!(env.keys().await.is_empty());
    let completed = upload.complete(parts).send().await.unwrap();

    assert!(env.server.open_uploads().is_empty());
    // The MD5 of the parts' MD5s, as S3 makes it; computed by another program.
    assert_eq!(completed.e_tag(), Some("\"0ff69ab095edf4379ef2628f897f991e-3\""));
    let got = env.get("k").send().await.unwrap();
    assert_eq!(got.e_tag(), completed.e_tag());
    assert_eq!(got.content_type(), Some("application/gzip"));
    assert_eq!(got.metadata().unwrap()["a"], "b");
    assert!(got.body.collect().await.unwrap().to_vec() == body);
    for range in [
        PART - 1..PART + 1,
        PART..2 * PART,
        PART - 300_000..2 * PART + 7,
        PART + 1000..2 * PART + 10,
    ] {
        let header = format!("bytes={}-{}", range.start, range.end - 1);
        assert!(
            bytes(env.get("k").range(&header)).await == body[range],
            "{header}"
        );
    }
}

#[tokio::test]
async fn the_last_part_may_be_empty() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    let parts = vec![upload.listed(1, vec![7; PART]).await, upload.listed(2, "").await];
    upload.complete(parts).send().await.unwrap();
    assert!(env.bytes("k").await == vec![7; PART]);
}

#[tokio::test]
async fn a_part_sent_again_replaces_the_first() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    let first = upload.listed(1, "first").await;
    let second = upload.listed(1, "second").await;
    assert_eq!(env.files(), 1);
    let stale = upload.complete(vec![first]).send().await;
    assert_eq!(refusal(stale), (400, "InvalidPart".into()));
    upload.complete(vec![second]).send().await.unwrap();
    assert_eq!(env.bytes("k").await, b"second");
}

#[tokio::test]
async fn what_was_not_uploaded_like_this_is_refused_and_can_be_put_right() {
    let env = Env::new().await;
    env.put("k", "old").send().await.unwrap();
    let upload = env.upload("k").await;
    let one = upload.listed(1, vec![1; PART]).await;
    let two = upload.listed(2, "end").await;
    let cases: [(Vec<CompletedPart>, &str); 7] = [
        (vec![two.clone(), one.clone()], "InvalidPartOrder"),
        (vec![one.clone(), one.clone()], "InvalidPartOrder"),
        (vec![one.clone(), listed(3, two.e_tag().unwrap())], "InvalidPart"),
        (vec![one.clone(), listed(2, one.e_tag().unwrap())], "InvalidPart"),
        (
            vec![one.clone(), CompletedPart::builder().part_number(2).build()],
            "InvalidPart",
        ),
        (
            vec![CompletedPart::builder().e_tag(one.e_tag().unwrap()).build()],
            "MalformedXML",
        ),
        (vec![], "MalformedXML"),
    ];
    for (parts, code) in cases {
        let outcome = upload.complete(parts.clone()).send().await;
        assert_eq!(refusal(outcome), (400, code.into()), "{parts:?}");
        assert_eq!(env.bytes("k").await, b"old");
    }
    let size = upload
        .complete(vec![one.clone(), two.clone()])
        .mpu_object_size(5)
        .send()
        .await;
    assert_eq!(refusal(size), (400, "InvalidRequest".into()));
    assert_eq!(env.server.open_uploads(), ["k"]);

    upload.complete(vec![one, two]).send().await.unwrap();
    assert_eq!(env.bytes("k").await.len(), PART + 3);
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    let small = upload.listed(1, vec![0; PART - 1]).await;
    let last = upload.listed(2, "end").await;
    let outcome = upload.complete(vec![small, last]).send().await;
    assert_eq!(refusal(outcome), (400, "EntityTooSmall".into()));
    assert!(env.keys().await.is_empty());
}

#[tokio::test]
async fn parts_that_are_not_listed_are_dropped() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    upload.listed(1, "not wanted").await;
    let wanted = upload.listed(7, "wanted").await;
    upload.complete(vec![wanted]).send().await.unwrap();
    assert_eq!(env.bytes("k").await, b"wanted");
    assert_eq!(env.files(), 1);
}

#[tokio::test]
async fn a_part_with_a_wrong_digest_is_refused() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    let good = upload.listed(1, "hello").await;
    let md5 = upload.part(1, "hullo").content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(refusal(md5.send().await), (400, "BadDigest".into()));
    let sha256 = upload
        .part(1, "hullo")
        .checksum_sha256("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    assert_eq!(refusal(sha256.send().await), (400, "BadDigest".into()));
    assert_eq!(env.files(), 1);
    upload.complete(vec![good]).send().await.unwrap();
    assert_eq!(env.bytes("k").await, b"hello");
}

#[tokio::test]
async fn digests_of_the_whole_are_verified_before_it_is_published() {
    let env = Env::new().await;
    let digest = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    let upload = env.upload("k").await;
    let sent = upload
        .part(1, "hello")
        .checksum_sha256(digest)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.checksum_sha256(), Some(digest));
    let part = |digest: &str| {
        let part = CompletedPart::builder()
            .part_number(1)
            .e_tag(sent.e_tag().unwrap());
        vec![part.checksum_sha256(digest).build()]
    };
    let wrong = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let of_part = upload.complete(part(wrong)).send().await;
    assert_eq!(refusal(of_part), (400, "BadDigest".into()));
    let of_whole = upload.complete(part(digest)).checksum_sha256(wrong).send().await;
    assert_eq!(refusal(of_whole), (400, "BadDigest".into()));
    let of_parts = upload
        .complete(part(digest))
        .checksum_sha256(format!("{wrong}-1"))
        .send()
        .await;
    assert_eq!(refusal(of_parts), (400, "BadDigest".into()));
    assert!(env.keys().await.is_empty());

    // The SHA-256 of the SHA-256; computed by another program.
    let composite = "lZXJ35AHUUjrBoYDZd8zWEt1v/eCpRDGzUiDpBmDPVA=-1";
    let right = upload.complete(part(digest)).checksum_sha256(composite);
    assert_eq!(right.send().await.unwrap().checksum_sha256(), Some(composite));
    assert_eq!(env.bytes("k").await, b"hello");

    let upload = env.upload("whole").await;
    let one = upload.listed(1, "hello").await;
    upload
        .complete(vec![one])
        .checksum_crc32("NhCmhg==")
        .send()
        .await
        .unwrap();
    assert_eq!(env.bytes("whole").await, b"hello");
}

#[tokio::test]
async fn an_aborted_upload_is_gone_with_its_files() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    let one = upload.listed(1, vec![0; PART]).await;
    upload.listed(2, "two").await;
    assert_eq!(env.files(), 2);
    upload.abort().send().await.unwrap();
    assert_eq!(env.files(), 0);
    assert!(env.server.open_uploads().is_empty());

    let gone = (404, "NoSuchUpload".to_owned());
    assert_eq!(refusal(upload.part(3, "three").send().await), gone);
    assert_eq!(refusal(upload.complete(vec![one]).send().await), gone);
    assert_eq!(refusal(upload.abort().send().await), gone);
    let list = env
        .client
        .list_parts()
        .bucket(BUCKET)
        .key("k")
        .upload_id(&upload.id);
    assert_eq!(refusal(list.send().await), gone);
    assert_eq!(env.files(), 0);
}

#[tokio::test]
async fn an_upload_belongs_to_its_key() {
    let env = Env::new().await;
    let mut upload = env.upload("k").await;
    upload.key = "other".to_owned();
    let part = upload.part(1, "x").send().await;
    assert_eq!(refusal(part), (404, "NoSuchUpload".into()));
}

#[tokio::test]
async fn a_completed_upload_is_over() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    let one = upload.listed(1, "body").await;
    upload.complete(vec![one.clone()]).send().await.unwrap();
    let again = upload.complete(vec![one]).send().await;
    assert_eq!(refusal(again), (404, "NoSuchUpload".into()));
    assert_eq!(env.bytes("k").await, b"body");
}

#[tokio::test]
async fn part_numbers_have_bounds() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    upload.part(10_000, "x").send().await.unwrap();
    for number in [-1, 0, 10_001] {
        let part = upload.part(number, "x").send().await;
        assert_eq!(refusal(part), (400, "InvalidArgument".into()), "{number}");
    }
    assert_eq!(env.files(), 1);
}

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let env = Env::new().await;
    let upload = env.upload("k").await;
    for number in [5, 1, 3] {
        upload
            .part(number, vec![0; usize::try_from(number).unwrap()])
            .send()
            .await
            .unwrap();
    }
    let list = || {
        env.client
            .list_parts()
            .bucket(BUCKET)
            .key("k")
            .upload_id(&upload.id)
            .max_parts(2)
    };
    let first = list().send().await.unwrap();
    let sizes = |page: &aws_sdk_s3::operation::list_parts::ListPartsOutput| {
        let parts = page.parts().iter();
        parts
            .map(|part| (part.part_number().unwrap(), part.size().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(&first), [(1, 1), (3, 3)]);
    assert_eq!(first.is_truncated(), Some(true));
    let rest = list()
        .part_number_marker(first.next_part_number_marker().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(sizes(&rest), [(5, 5)]);
    assert_eq!(rest.is_truncated(), Some(false));
}

#[tokio::test]
async fn unfinished_uploads_are_listed_in_pages() {
    let env = Env::new().await;
    let mut begun = Vec::new();
    for key in ["b/2", "a", "b/1", "b/1", "c/1"] {
        begun.push((key.to_owned(), env.upload(key).await.id));
    }
    begun.sort();
    assert_eq!(env.server.open_uploads(), ["a", "b/1", "b/1", "b/2", "c/1"]);
    for limit in 1..=6 {
        let (mut seen, mut key, mut id) = (Vec::new(), None, None);
        loop {
            let list = env
                .client
                .list_multipart_uploads()
                .bucket(BUCKET)
                .max_uploads(limit);
            let page = list
                .set_key_marker(key)
                .set_upload_id_marker(id)
                .send()
                .await
                .unwrap();
            assert!(page.uploads().len() <= usize::try_from(limit).unwrap());
            seen.extend(page.uploads().iter().map(|upload| {
                (
                    upload.key().unwrap().to_owned(),
                    upload.upload_id().unwrap().to_owned(),
                )
            }));
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_upload_id_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) {
                break;
            }
        }
        assert_eq!(seen, begun, "{limit} a page");
    }

    let list = || env.client.list_multipart_uploads().bucket(BUCKET);
    let below = list().prefix("b/").send().await.unwrap();
    assert_eq!(below.uploads().len(), 3);
    let rolled = list().delimiter("/").send().await.unwrap();
    assert_eq!(rolled.uploads().len(), 1);
    let prefixes: Vec<_> = rolled
        .common_prefixes()
        .iter()
        .map(|common| common.prefix().unwrap())
        .collect();
    assert_eq!(prefixes, ["b/", "c/"]);
    // Behind a key means behind all of its uploads.
    let behind = list().key_marker("b/1").send().await.unwrap();
    let keys: Vec<_> = behind
        .uploads()
        .iter()
        .map(|upload| upload.key().unwrap())
        .collect();
    assert_eq!(keys, ["b/2", "c/1"]);
}
