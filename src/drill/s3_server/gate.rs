//! What a request passes before the operations see it, and its answer on the way back: rules, and failures that were asked for.

use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use jiff::Timestamp;
use s3s::dto::StreamingBlob;
use s3s::service::S3Service;
use s3s::{Body, HttpError};

use super::faults::{Failure, Faults};
use super::operation::Operation;
use super::rules::{Book, Refusal};

/// The service behind its rules. All connections share them.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) book: Arc<Book>,
    pub(super) faults: Arc<Faults>,
    pub(super) service: S3Service,
}

impl Service<Request<Incoming>> for Gate {
    type Response = Response<Body>;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let failure = self.faults.strike(Operation::of(request.method(), request.uri()));
        let (head, body) = request.into_parts();
        let refusal = match failure {
            Some(Failure::Refused(status, code, message)) => Some(Refusal {
                status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                code,
                message: message.to_owned(),
            }),
            Some(Failure::Silence) => {
                return Box::pin(async {
                    drain(body).await;
                    pending().await
                });
            }
            _ => self.book.refusal(&head),
        };
        let now = self.book.now();
        if let Some(refusal) = refusal {
            return Box::pin(async move {
                drain(body).await;
                Ok(refused(&refusal, now))
            });
        }
        let answering = Service::call(&self.service, Request::from_parts(head, body));
        Box::pin(async move {
            let mut answer = answering.await?;
            stamp(&mut answer, now);
            match failure {
                Some(Failure::AnswerLost) => Err(HttpError::new(Box::new(broken()))),
                Some(Failure::BodyCut(bytes)) => Ok(answer.map(|body| cut(body, bytes))),
                _ => Ok(answer),
            }
        })
    }
}

/// Reads what the client still sends, as a real server does before it refuses, so that the client reads the refusal.
async fn drain(body: Incoming) {
    let mut body = Body::from(body);
    while let Some(Ok(_)) = body.next().await {}
}

fn broken() -> std::io::Error {
    std::io::Error::other("broken as it was asked to")
}

/// The body's first bytes, and then an end that comes too early.
fn cut(body: Body, bytes: usize) -> Body {
    let cut = stream::unfold((body, bytes), async |(mut body, left)| {
        if left == 0 {
            // What was given so far is sent before the error is seen.
            tokio::task::yield_now().await;
            return Some((Err(broken()), (body, 0)));
        }
        let piece: Bytes = body.next().await?.ok()?;
        let piece = piece.slice(..piece.len().min(left));
        let left = left - piece.len();
        Some((Ok(piece), (body, left)))
    });
    StreamingBlob::wrap(cut).into()
}

fn refused(refusal: &Refusal, now: Timestamp) -> Response<Body> {
    let Refusal {
        status,
        code,
        message,
    } = refusal;
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut answer = Response::new(Body::from(document));
    *answer.status_mut() = *status;
    let xml = HeaderValue::from_static("application/xml");
    answer.headers_mut().insert(CONTENT_TYPE, xml);
    stamp(&mut answer, now);
    answer
}

/// Dates an answer by the server's own clock.
fn stamp(answer: &mut Response<Body>, now: Timestamp) {
    if let Ok(date) = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse() {
        answer.headers_mut().insert(DATE, date);
    }
}
