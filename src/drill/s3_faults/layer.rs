//! A service behind the failures that were asked for.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::{Request, Response};
use jiff::Timestamp;
use s3s::{Body, HttpError};

use super::answers::{answered, broken, cut, flipped, refused, whole, without};
use super::failure::RequestFailure;
use super::operation::Operation;
use super::plan::FaultPlan;

/// Answers the requests that do not fail.
pub(in crate::drill) trait Service: Clone + Send + Sync + 'static {
    fn answer(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, HttpError>>;

    /// What its clock says.
    fn now(&self) -> Timestamp;
}

/// The layer. All connections share the plan.
#[derive(Clone)]
pub(in crate::drill) struct Layer<S> {
    pub(in crate::drill) plan: Arc<FaultPlan>,
    pub(in crate::drill) service: S,
}

impl<S: Service> hyper::service::Service<Request<Incoming>> for Layer<S> {
    type Response = Response<Body>;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let operation = Operation::of(request.method(), request.uri());
        let key = request.uri().path();
        let failure = self.plan.strike(operation, key);
        let (head, body) = request.into_parts();
        let body = Body::from(body);
        let (plan, service) = (Arc::clone(&self.plan), self.service.clone());
        let Some(failure) = failure else {
            return service.answer(Request::from_parts(head, body));
        };
        Box::pin(async move {
            if let Some(refusal) = failure.refusal() {
                drain(body).await;
                return Ok(refused(&refusal, service.now()));
            }
            match failure {
                RequestFailure::Silence => {
                    // Asked for before the body is read: the end of the waiting may come meanwhile.
                    let mut healed = plan.healed();
                    drain(body).await;
                    // Also where nothing is left that could heal it.
                    let _ = healed.changed().await;
                    Err(HttpError::new(Box::new(broken())))
                }
                RequestFailure::Answered(document) => {
                    drain(body).await;
                    Ok(answered(&document, service.now()))
                }
                RequestFailure::Twice => {
                    let bytes = whole(body).await?;
                    let copy = Request::from_parts(head.clone(), Body::from(bytes.clone()));
                    drain(service.answer(copy).await?.into_body()).await;
                    service.answer(Request::from_parts(head, Body::from(bytes))).await
                }
                failure => {
                    let answer = service.answer(Request::from_parts(head, body)).await?;
                    match failure {
                        RequestFailure::AnswerLost => Err(HttpError::new(Box::new(broken()))),
                        RequestFailure::BodyCut(bytes) => Ok(answer.map(|body| cut(body, bytes))),
                        RequestFailure::BodyFlipped(place) => Ok(answer.map(|body| flipped(body, place))),
                        RequestFailure::Hidden(hidden) => without(answer, &hidden).await,
                        _ => Ok(answer),
                    }
                }
            }
        })
    }
}

/// Reads what the client still sends, as a real server does before it refuses, so that the client reads the refusal.
pub(in crate::drill) async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.next().await {}
}
