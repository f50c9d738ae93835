//! One chunk of events, on its way to the broker and back.

use event_bus::{
    broker::{Message, PublishError, Publisher},
    crash_point, envelope,
    outbox::log::PendingEvent,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Source, Trouble, ownership::Ownership, schedule::Schedule};

/// What became of a chunk. What is in neither list is still pending.
#[derive(Default)]
pub(crate) struct Sent {
    /// The broker has them, on disk.
    pub(crate) confirmed: Vec<Uuid>,
    /// They can never be sent as they are: the index in the chunk, and why.
    pub(crate) impossible: Vec<(usize, String)>,
    /// Why the broker did not take more.
    pub(crate) broker: Option<PublishError>,
    /// Why the relay could not say that it is still alive.
    pub(crate) database: Option<Trouble>,
}

/// Sends a chunk and waits for its confirmations: each key in order, keys side by side. Stops sending,
/// and still waits for what is on its way, on the first trouble and on `stop`.
pub(crate) async fn send(
    source: &Source,
    publisher: &Publisher,
    events: &[PendingEvent],
    window: usize,
    ownership: &mut Ownership,
    stop: &CancellationToken,
) -> Sent {
    let mut sent = Sent::default();
    let mut schedule = Schedule::new(events.iter().map(|event| event.key.as_str()), window);
    let mut confirms = FuturesUnordered::new();
    let mut halted = false;
    loop {
        halted |= stop.is_cancelled() || !ownership.is_valid();
        while !halted
            && !publisher.is_blocked()
            && ownership.is_valid()
            && let Some(index) = schedule.next()
        {
            let Some(event) = events.get(index) else { continue };
            match envelope::write(&source.uri, event) {
                Err(reason) => {
                    sent.impossible.push((index, reason.to_string()));
                    schedule.failed();
                }
                Ok(body) => match publisher.send(outline(source, event, &body)).await {
                    Ok(confirm) => confirms.push(async move { (index, confirm.outcome().await) }),
                    Err(trouble) => {
                        schedule.failed();
                        sent.broker = Some(trouble);
                        halted = true;
                    }
                },
            }
            crash_point!("relay.after_publish");
        }
        tokio::select! {
            biased;
            next = confirms.next() => match next {
                None => break,
                Some((index, Ok(()))) => {
                    schedule.confirmed(index);
                    sent.confirmed.extend(events.get(index).map(|event| event.event_id));
                }
                Some((_, Err(trouble))) => {
                    schedule.failed();
                    halted = true;
                    sent.broker = Some(trouble);
                }
            },
            () = ownership.renewal_due(), if ownership.is_valid() => {
                if let Err(trouble) = ownership.renew().await {
                    sent.database = Some(trouble);
                    halted = true;
                    // What is on its way is waited for; renewing again would not help.
                    while let Some((index, outcome)) = confirms.next().await {
                        if outcome.is_ok() {
                            sent.confirmed.extend(events.get(index).map(|event| event.event_id));
                        }
                    }
                }
            }
        }
    }
    sent
}

/// The message that announces an event, with this body.
pub(crate) fn outline<'a>(source: &'a Source, event: &'a PendingEvent, body: &'a [u8]) -> Message<'a> {
    Message {
        event_id: event.event_id,
        event_type: &event.event_type,
        service: &source.name,
        timestamp: u64::try_from(event.created_at.timestamp()).unwrap_or_default(),
        trace: &event.headers,
        body,
    }
}
