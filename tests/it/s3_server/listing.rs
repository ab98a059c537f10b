//! Listing objects, over HTTP; what a page holds is decided by the rules.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use super::kit::{BUCKET, Env, refusal};

fn keys(page: &ListObjectsV2Output) -> Vec<&str> {
    page.contents()
        .iter()
        .map(|object| object.key().unwrap())
        .collect()
}

fn prefixes(page: &ListObjectsV2Output) -> Vec<&str> {
    page.common_prefixes()
        .iter()
        .map(|common| common.prefix().unwrap())
        .collect()
}

async fn env_with(keys: &[&str]) -> Env {
    let env = Env::new().await;
    for key in keys {
        env.server.overwrite(key, key.as_bytes()).unwrap();
    }
    env
}

#[tokio::test]
async fn thousands_of_keys_come_in_pages_of_a_thousand() {
    let env = Env::new().await;
    let all: Vec<String> = (0..2500)
        .map(|number| format!("day/{:04}", number * 7 % 2500))
        .collect();
    for key in &all {
        env.server.overwrite(key, b"").unwrap();
    }
    let mut pages = env
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .max_keys(5000)
        .into_paginator()
        .send();
    let (mut sizes, mut seen) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push((page.key_count().unwrap(), page.is_truncated().unwrap()));
        seen.extend(keys(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(sizes, [(1000, true), (1000, true), (500, false)]);
    let mut sorted = all;
    sorted.sort();
    assert!(seen == sorted);
}

#[tokio::test]
async fn entries_tell_size_tag_and_time() {
    let env = env_with(&["hello"]).await;
    let page = env.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let [object] = page.contents() else {
        panic!("{page:?}")
    };
    assert_eq!(object.size(), Some(5));
    assert_eq!(object.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    let head = env
        .client
        .head_object()
        .bucket(BUCKET)
        .key("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(object.last_modified(), head.last_modified());
}

#[tokio::test]
async fn prefix_delimiter_and_start_select() {
    // In byte order, which is not the order of a file tree: `a-b` is before `a/x`.
    let env = env_with(&["a-b", "a/x", "a/y/1", "a/y/2", "a0", "ä", "z"]).await;
    let list = || env.client.list_objects_v2().bucket(BUCKET);
    let all = list().send().await.unwrap();
    assert_eq!(keys(&all), ["a-b", "a/x", "a/y/1", "a/y/2", "a0", "z", "ä"]);
    let rolled = list().delimiter("/").send().await.unwrap();
    assert_eq!(
        (keys(&rolled), prefixes(&rolled)),
        (vec!["a-b", "a0", "z", "ä"], vec!["a/"])
    );
    assert_eq!(rolled.key_count(), Some(5));
    let below = list().prefix("a/").delimiter("/").send().await.unwrap();
    assert_eq!((keys(&below), prefixes(&below)), (vec!["a/x"], vec!["a/y/"]));
    let behind = list().start_after("a/y/1").send().await.unwrap();
    assert_eq!(keys(&behind), ["a/y/2", "a0", "z", "ä"]);
    let none = list().prefix("nothing").send().await.unwrap();
    assert_eq!((keys(&none), none.is_truncated()), (vec![], Some(false)));
}

#[tokio::test]
async fn a_page_that_ends_with_a_common_prefix_goes_on_behind_it() {
    let env = env_with(&["a/1", "a/2", "b", "c/1", "c/2", "d"]).await;
    let list = env
        .client
        .list_objects_v2()
        .bucket(BUCKET)
        .delimiter("/")
        .max_keys(1);
    let mut pages = list.into_paginator().send();
    let mut seen = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        seen.extend(keys(&page).into_iter().chain(prefixes(&page)).map(str::to_owned));
    }
    assert_eq!(seen, ["a/", "b", "c/", "d"]);
}

#[tokio::test]
async fn limits_and_tokens_are_checked() {
    let env = env_with(&["a", "b"]).await;
    let list = || env.client.list_objects_v2().bucket(BUCKET);
    let nothing = list().max_keys(0).send().await.unwrap();
    assert_eq!((keys(&nothing), nothing.is_truncated()), (vec![], Some(false)));
    let negative = list().max_keys(-1).send().await;
    assert_eq!(refusal(negative), (400, "InvalidArgument".into()));
    let forged = list().continuation_token("not one of ours").send().await;
    assert_eq!(refusal(forged), (400, "InvalidArgument".into()));
}

#[tokio::test]
async fn keys_are_escaped_for_clients_that_ask() {
    let env = env_with(&["a b/ü"]).await;
    let list = env.client.list_objects_v2().bucket(BUCKET).prefix("a b");
    let page = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(keys(&page), ["a%20b/%C3%BC"]);
    assert_eq!(page.prefix(), Some("a%20b"));
    assert_eq!(page.encoding_type(), Some(&EncodingType::Url));
}

#[tokio::test]
async fn the_first_version_of_the_operation_pages_too() {
    let env = env_with(&["a", "b/1", "b/2", "c", "d"]).await;
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let list = env
            .client
            .list_objects()
            .bucket(BUCKET)
            .delimiter("/")
            .max_keys(2);
        let page = list.set_marker(marker).send().await.unwrap();
        seen.extend(
            page.contents()
                .iter()
                .map(|object| object.key().unwrap().to_owned()),
        );
        seen.extend(
            page.common_prefixes()
                .iter()
                .map(|common| common.prefix().unwrap().to_owned()),
        );
        marker = page.next_marker().map(str::to_owned);
        if page.is_truncated() != Some(true) {
            break;
        }
    }
    assert_eq!(seen, ["a", "b/", "c", "d"]);
}
