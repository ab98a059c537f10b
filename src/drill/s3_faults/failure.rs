//! The ways in which a request fails.

use hyper::StatusCode;

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// It is refused with this status, S3 error code and message, and nothing is done.
    Refused(u16, &'static str, &'static str),
    /// It is carried out, and its answer is lost.
    AnswerLost,
    /// It is never answered, and nothing is done.
    Silence,
    /// Its answer breaks off after so many bytes of the body.
    BodyCut(usize),
    /// One bit of the body's byte at this place is another one. A body that is shorter is cut by its last byte's bit.
    BodyFlipped(usize),
    /// It is carried out twice, and the second answer is given.
    Twice,
    /// It is answered with this XML document, and nothing is done. `{n}` in it becomes another number each time.
    Answered(String),
    /// It is carried out, and a listing it answers with names no key that begins so.
    Hidden(String),
}

/// A request that is turned away.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::drill) struct RefusedRequest {
    pub(in crate::drill) status: StatusCode,
    pub(in crate::drill) code: &'static str,
    pub(in crate::drill) message: String,
}

impl RequestFailure {
    /// The refusal that this failure is, where it is one.
    pub(super) fn refusal(&self) -> Option<RefusedRequest> {
        let Self::Refused(status, code, message) = self else {
            return None;
        };
        Some(RefusedRequest {
            status: StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            message: (*message).to_owned(),
        })
    }
}
