//! `X-Applied`: reading what one has written somewhere else.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Subscription;
use crate::auth::Identity;
use crate::problem::Problem;

/// The header.
const HEADER: &str = "x-applied";
/// How long a request waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the second look; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How many requests wait at once, in this process.
const WAITING: usize = 200;

static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(WAITING));

/// Waits, at most 5 s, until the event that the request names in `X-Applied` has had its effect in this service; 503 with
/// `Retry-After` where it has not. Without the header it waits for nothing.
///
/// Another service answers a change with the change's `Event-Id`; with it, a read here shows the change.
///
/// Only who has a valid token waits: strangers would take all the places. On a public route they are answered at once.
#[derive(Debug, Clone, Copy)]
pub struct Applied;

impl FromRequest for Applied {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(value) = request.headers().get(HEADER) else { return Box::pin(ready(Ok(Self))) };
        let event = value.to_str().ok().and_then(|text| text.parse::<Uuid>().ok());
        let subscription = request.app_data::<web::Data<Subscription>>().cloned();
        let request = request.clone();
        Box::pin(async move {
            let event = event.ok_or_else(|| {
                Problem::validation("X-Applied is the id of one event, as Event-Id says it")
            })?;
            let subscription =
                subscription.ok_or_else(|| Problem::internal(&"the service has no consumer"))?;
            if subscription.has_applied(event).await?
                || Identity::extract(&request).await.is_ok() && becomes_applied(&subscription, event).await?
            {
                Ok(Self)
            } else {
                Err(Problem::unavailable(
                    "the event of X-Applied has not had its effect here yet, try again",
                    1,
                ))
            }
        })
    }
}

async fn becomes_applied(subscription: &Subscription, event: Uuid) -> Result<bool, sqlx::Error> {
    let Ok(_permit) = ROOM.try_acquire() else { return Ok(false) };
    let (end, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
    while Instant::now() + pause < end {
        sleep(pause).await;
        if subscription.has_applied(event).await? {
            return Ok(true);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(false)
}
