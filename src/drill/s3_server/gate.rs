//! What a request passes before the operations see it, and its answer on the way back: the rules and the clock.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{Request, Response};
use jiff::Timestamp;
use s3s::service::S3Service;
use s3s::{Body, HttpError};

use super::rules::Book;
use crate::drill::s3_faults::{Service, drain, refused, stamp};

/// The service behind its rules. All connections share them.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) book: Arc<Book>,
    pub(super) service: S3Service,
}

impl Service for Gate {
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, HttpError>> {
        let (head, body) = request.into_parts();
        let now = self.book.now();
        if let Some(refusal) = self.book.refusal(&head) {
            return Box::pin(async move {
                drain(body).await;
                Ok(refused(&refusal, now))
            });
        }
        let service = self.service.clone();
        Box::pin(async move {
            let mut answer = service.call(Request::from_parts(head, body)).await?;
            stamp(&mut answer, now);
            Ok(answer)
        })
    }

    fn now(&self) -> Timestamp {
        self.book.now()
    }
}
