//! Reads a request's body before anything else looks at it: bounded in size and in time. And what an answer's
//! body keeps alive until it is sent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage, HttpResponse};
use futures_util::{StreamExt, stream};

use crate::problem::Problem;

/// Reads the body and puts it back, complete. An error is the answer to give instead.
///
/// actix never gives up on a body that stalls after its headers; here it is 408. Too large is 413.
pub(super) async fn buffer(
    request: &mut ServiceRequest,
    limit: usize,
    within: Duration,
) -> Result<(), HttpResponse> {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok())
        .unwrap_or(0);
    if length == 0 && !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    let mut payload = request.take_payload();
    let read = if length > limit {
        Err(Problem::too_large(limit))
    } else {
        let reading = read(&mut payload, limit, length);
        tokio::time::timeout(within, reading).await.unwrap_or_else(|_elapsed| {
            let within = within.as_millis();
            Err(Problem::too_slow(format!("the body did not arrive within {within} ms")))
        })
    };
    match read {
        Ok(bytes) => {
            request.set_payload(Payload::Stream { payload: Box::pin(stream::iter([Ok(bytes)])) });
            Ok(())
        }
        Err(problem) => {
            let mut answer = HttpResponse::from_error(problem);
            answer.extensions_mut().insert(Unread { _payload: payload });
            Err(answer)
        }
    }
}

/// What has not been read of a body.
struct Unread {
    _payload: Payload,
}

/// An answer's body that keeps something alive until it is sent.
struct Holding<T> {
    answer: BoxBody,
    _held: T,
}

impl<T: Unpin + 'static> MessageBody for Holding<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

/// Keeps `held` alive until the answer's body is sent, or given up.
pub(super) fn hold<T: Unpin + 'static>(
    answer: ServiceResponse<BoxBody>,
    held: T,
) -> ServiceResponse<BoxBody> {
    answer.map_body(|_, answer| BoxBody::new(Holding { answer, _held: held }))
}

/// Hands the rest of the request's body, if there is one, from one answer over to `answer`.
///
/// actix waits, without end, for the rest of a chunked body whose reader is gone. While the reader
/// is there it closes the connection instead, after a moment in which it throws away what the client
/// is still sending, so that the client gets to see the answer.
pub(super) fn hold_unread(from: &mut HttpResponse, answer: HttpResponse) -> HttpResponse {
    let unread = from.extensions_mut().remove::<Unread>();
    match unread {
        Some(unread) => answer.map_body(|_, answer| BoxBody::new(Holding { answer, _held: unread })),
        None => answer,
    }
}

async fn read(payload: &mut Payload, limit: usize, length: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::with_capacity(length);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            Problem::validation("the body broke off")
        })?;
        if body.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
