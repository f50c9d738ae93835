//! Reads a request's body before anything else looks at it: bounded in size and in time.

use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use crate::problem::Problem;

/// How much of a body that is too large is read and thrown away, as a multiple of the limit: a
/// client that is still sending does not see the answer if the connection is closed under it.
const DRAIN: usize = 128;

/// Reads the body and puts it back, complete.
///
/// actix never gives up on a body that stalls after its headers; here it is 408. Too large is 413.
pub(super) async fn buffer(
    request: &mut ServiceRequest,
    limit: usize,
    within: Duration,
) -> Result<(), Problem> {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    let has_body = length.is_some_and(|length| length > 0)
        || request.headers().contains_key(actix_web::http::header::TRANSFER_ENCODING);
    if !has_body {
        return Ok(());
    }
    let mut payload = request.take_payload();
    let reading = read(&mut payload, limit, length.unwrap_or(0));
    let bytes = tokio::time::timeout(within, reading).await.map_err(|_elapsed| {
        Problem::too_slow(format!("the body did not arrive within {} ms", within.as_millis()))
    })??;
    request.set_payload(Payload::Stream { payload: Box::pin(stream::iter([Ok(bytes)])) });
    Ok(())
}

async fn read(payload: &mut Payload, limit: usize, announced: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::with_capacity(announced.min(limit));
    let mut seen = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            Problem::validation("the body broke off")
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            body.extend_from_slice(&chunk);
        } else if seen > limit.saturating_mul(DRAIN) {
            break;
        }
    }
    if seen > limit { Err(Problem::too_large(limit)) } else { Ok(body.freeze()) }
}
