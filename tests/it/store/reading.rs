//! Reading objects over lines that break.

use paycraft_dr::drill::s3_faults::{Operation, RequestFailure};
use paycraft_dr::error::Kind;
use paycraft_dr::store::Store;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::hasty;
use crate::kit::{TestStore, location, run};

/// Bytes that differ from place to place.
fn pattern(length: u32) -> Vec<u8> {
    (0..length)
        .map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}

#[test]
fn a_body_that_breaks_off_is_resumed_where_it_stopped() {
    run(async {
        let bucket = TestStore::start().await;
        let store = hasty(&bucket);
        let object = pattern(900_000);
        bucket.server.overwrite("k", &object).expect("an object");
        bucket
            .server
            .fail_next(Operation::Get, RequestFailure::BodyCut(300_001), 2);
        let read = store.get_range("k", 7..899_999).await.expect("all of it");
        assert!(read == object[7..899_999], "every byte once and in order");
        assert_eq!(store.retries(), 2);
        bucket
            .server
            .fail_next(Operation::Get, RequestFailure::BodyCut(11), 1);
        let read = store.get("k", 1_000_000).await.expect("all of it");
        assert!(read == object);
        // A reader that still gets a fair amount goes on for longer than there are tries.
        bucket
            .server
            .fail_next(Operation::Get, RequestFailure::BodyCut(70_000), 12);
        let read = store.get("k", 1_000_000).await.expect("all of it");
        assert!(read == object);
        assert_eq!(bucket.server.failures_left(), 0);
    });
}

#[test]
fn a_store_that_gives_nothing_any_more_is_given_up() {
    run(async {
        let bucket = TestStore::start().await;
        bucket.server.overwrite("k", &pattern(1000)).expect("an object");
        for bytes in [0, 3] {
            bucket
                .server
                .fail_next(Operation::Get, RequestFailure::BodyCut(bytes), 100);
            let error = hasty(&bucket)
                .get_range("k", 0..1000)
                .await
                .expect_err("too little");
            assert_eq!(error.kind(), Kind::Store);
            assert!(error.next_step().expect("a hint").contains("network"));
            assert_eq!(bucket.server.failures_left(), 90, "a bounded number of tries");
            bucket.server.heal();
        }
    });
}

#[test]
fn an_object_that_was_replaced_is_not_read_in_halves() {
    run(async {
        let bucket = TestStore::start().await;
        let store = hasty(&bucket);
        let put = |bytes| bucket.server.overwrite("k", &pattern(bytes)).expect("an object");
        put(100_000);
        bucket
            .server
            .fail_next(Operation::Get, RequestFailure::BodyCut(1000), 1);
        bucket.server.fail_next(
            Operation::Get,
            RequestFailure::Refused(503, "ServiceUnavailable", "not now"),
            8,
        );
        // While the second half is refused, another object takes the place of the first. Nothing here
        // waits for an answer, so that the refusals last until it is there.
        let replace = async {
            while bucket.server.failures_left() > 7 {
                tokio::task::yield_now().await;
            }
            assert!(bucket.server.remove("k"));
            put(90_000);
            bucket.server.heal();
        };
        let (read, ()) = tokio::join!(store.get_range("k", 0..100_000), replace);
        let error = read.map(|bytes| bytes.len()).expect_err("another object");
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.message().contains("was replaced"), "{error}");
    });
}

#[test]
fn an_object_that_is_shorter_is_asked_for_once() {
    run(async {
        let bucket = TestStore::start().await;
        let object = pattern(1000);
        bucket.server.overwrite("k", &object).expect("an object");
        for (range, brings) in [
            (990..1010, 990..1000),
            (1000..1010, 1000..1000),
            (2000..2001, 1000..1000),
            (5..5, 5..5),
            (0..1000, 0..1000),
        ] {
            let read = bucket
                .store
                .get_range("k", range.clone())
                .await
                .expect("an answer");
            assert!(read == object[brings], "{range:?}");
        }
        assert_eq!(bucket.store.retries(), 0);
    });
}

/// The address of a server that gives every request this answer.
pub(super) async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match tokio::io::AsyncReadExt::read_u8(&mut connection).await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn other_bytes_than_were_asked_for_are_not_taken_for_them() {
    run(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfour",
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-3/9\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfour",
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 2-9/10\r\ncontent-length: 8\r\nconnection: close\r\n\r\neightest",
        ] {
            let store = Store::new(&location(&answering(answer).await, "secret"));
            let error = store
                .get_range("k", 2..6)
                .await
                .expect_err("not what was asked for");
            assert_eq!(error.kind(), Kind::Store);
            assert!(error.causes()[0].contains("other bytes"), "{:?}", error.causes());
        }
    });
}
