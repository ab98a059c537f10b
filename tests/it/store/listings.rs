//! Listings that end too early, or never: each is an error, and never a shorter listing.

use std::time::{Duration, Instant};

use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::error::{Error, Kind};
use paycraft_dr::store::Store;
use paycraft_dr::store::retry::RetryPolicy;

use super::hasty;
use crate::kit::{TestStore, output, program, run, said};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>";
const UPLOADS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket>";
const OBJECT: &str = "<Contents><Key>k</Key><Size>7</Size></Contents>";
const UPLOAD: &str =
    "<Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2026-11-23T02:00:07.000Z</Initiated></Upload>";

/// What a listing of objects comes to where the store answers so each time.
async fn listing(bucket: &TestStore, body: &str) -> Error {
    let document = format!("{HEAD}{body}");
    bucket
        .server
        .fail_next(Operation::List, RequestFailure::Answered(document), 1000);
    let error = hasty(bucket).list("").await.expect_err(body);
    bucket.server.heal();
    error
}

/// The same for a listing of uploads.
async fn uploads(bucket: &TestStore, body: &str) -> Error {
    let document = format!("{UPLOADS}{body}");
    bucket
        .server
        .fail_next(Operation::ListUploads, RequestFailure::Answered(document), 1000);
    let error = hasty(bucket).unfinished_uploads("").await.expect_err(body);
    bucket.server.heal();
    error
}

#[track_caller]
fn assert_says(error: &Error, says: &str) {
    assert_eq!(error.kind(), Kind::Store, "{error}");
    let causes = error.causes().join("; ");
    assert!(causes.contains(says), "{error}: {causes}");
    assert!(error.next_step().is_some(), "{error}");
}

#[test]
fn a_listing_of_objects_that_is_cut_short_or_never_ends_is_an_error() {
    run(async {
        let bucket = TestStore::start().await;
        let end = "</ListBucketResult>";
        let next = |token: &str| {
            format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>")
        };
        for (body, says) in [
            (
                format!("<IsTruncated>true</IsTruncated>{OBJECT}{end}"),
                "where it goes on",
            ),
            (format!("{OBJECT}{end}"), "whether it is the last"),
            (
                format!("<IsTruncated>false</IsTruncated><KeyCount>2</KeyCount>{OBJECT}{end}"),
                "fewer keys",
            ),
            (
                format!("<IsTruncated>false</IsTruncated><Contents><Key>k</Key></Contents>{end}"),
                "without a key",
            ),
            (
                format!(
                    "{}<Contents><Key>k{{n}}</Key><Size>7</Size></Contents>{end}",
                    next("a")
                ),
                "same continuation",
            ),
            (format!("{}{OBJECT}{end}", next("{n}")), "same page"),
            (format!("{}{end}", next("{n}")), "empty page"),
        ] {
            assert_says(&listing(&bucket, &body).await, says);
        }
    });
}

/// A document that ends in its middle may hold all that the client asks for.
#[test]
fn a_listing_whose_document_ends_in_its_middle_is_an_error() {
    run(async {
        let bucket = TestStore::start().await;
        let whole = format!("<IsTruncated>false</IsTruncated>{OBJECT}{OBJECT}</ListBucketResult>");
        for length in 0..whole.len() {
            let error = listing(&bucket, &whole[..length]).await;
            assert_eq!(error.kind(), Kind::Store, "cut at {length}: {error}");
            assert!(
                error.causes().join("; ").contains("ends in its middle"),
                "cut at {length}"
            );
        }
        for garbage in ["not a document", "", "<Other/>"] {
            let document = RequestFailure::Answered(garbage.to_owned());
            bucket.server.fail_next(Operation::List, document, 1000);
            let error = hasty(&bucket).list("").await.expect_err(garbage);
            assert_eq!(error.kind(), Kind::Store, "{garbage}: {error}");
            bucket.server.heal();
        }
    });
}

#[test]
fn a_listing_of_uploads_that_is_cut_short_or_never_ends_is_an_error() {
    run(async {
        let bucket = TestStore::start().await;
        let end = "</ListMultipartUploadsResult>";
        let next = |key: &str| {
            format!(
                "<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
            )
        };
        for (body, says) in [
            (
                format!("<IsTruncated>true</IsTruncated>{UPLOAD}{end}"),
                "where it goes on",
            ),
            (
                format!("<IsTruncated>false</IsTruncated><Upload><Key>k</Key></Upload>{end}"),
                "without a key",
            ),
            (
                format!("{}{}{end}", next("a"), UPLOAD.replace("u</", "{n}</")),
                "same continuation",
            ),
            (format!("{}{UPLOAD}{end}", next("{n}")), "same page"),
            (format!("{}{end}", next("{n}")), "empty page"),
            (
                format!("<IsTruncated>false</IsTruncated>{UPLOAD}"),
                "ends in its middle",
            ),
        ] {
            assert_says(&uploads(&bucket, &body).await, says);
        }
    });
}

#[test]
fn what_is_small_has_one_limit_of_time_for_all_its_tries() {
    run(async {
        let bucket = TestStore::start().await;
        bucket.put("k", b"x");
        let patience = RetryPolicy {
            answer: Duration::from_millis(400),
            total: Duration::from_secs(1),
            ..RetryPolicy::default()
        };
        let store = Store::with_patience(&bucket.location(), patience);
        for operation in [
            Operation::List,
            Operation::ListUploads,
            Operation::Head,
            Operation::Get,
            Operation::Put,
            Operation::Delete,
            Operation::BeginUpload,
        ] {
            bucket.server.fail_next(operation, RequestFailure::Silence, 1000);
            let began = Instant::now();
            let error = match operation {
                Operation::List => store.list("").await.map(drop),
                Operation::ListUploads => store.unfinished_uploads("").await.map(drop),
                Operation::Head => store.head("k").await.map(drop),
                Operation::Get => store.get("k", 9).await.map(drop),
                Operation::Put => store.publish("new", vec![1], "text/plain").await.map(drop),
                Operation::Delete => store.delete("k").await,
                _ => store.begin_upload("new").await.map(drop),
            };
            let error = error.expect_err("no answer");
            assert_eq!(error.kind(), Kind::Store, "{operation:?}: {error}");
            assert_eq!(error.causes(), ["no answer came in time"], "{operation:?}");
            let took = began.elapsed();
            assert!(took < Duration::from_secs(10), "{operation:?}: {took:?}");
            bucket.server.heal();
        }
    });
}

#[test]
fn the_program_ends_where_a_store_takes_connections_and_never_answers() {
    run(async {
        let bucket = TestStore::start().await;
        bucket
            .server
            .fail_next(Operation::List, RequestFailure::Silence, 1000);
        let mut command = program(&["list"]);
        command.envs(bucket.environment());
        let began = Instant::now();
        let told = output(command).await;
        assert_eq!(told.status.code(), Some(6), "{}", said(&told));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(45), "{took:?}");
    });
}
