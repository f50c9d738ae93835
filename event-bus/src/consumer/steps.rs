//! The steps of a trace that handling an event takes.

use super::{Shared, handler::HandleError, message::Message};
use crate::{
    TraceContext,
    envelope::IncomingEvent,
    rabbitmq::headers,
    span::{KeyValue, Span, SpanKind},
};

/// The step of each message that is handled together with others. It goes on from the step that sent the message, which
/// its headers name, and is linked to the one that made the event.
pub(super) fn of_batch(shared: &Shared, messages: &[&Message]) -> Vec<Span> {
    messages.iter().map(|message| of_message(shared, message, messages.len()).unwrap_or_default()).collect()
}

fn of_message(shared: &Shared, message: &Message, together: usize) -> Option<Span> {
    let event = message.event.as_ref().ok()?;
    let made = event.trace.sampled()?;
    let header = |name| headers::text(&message.delivery.properties, name);
    let sent = header("traceparent")
        .and_then(|parent| TraceContext::parse(&parent, header("tracestate").as_deref()))
        .filter(|sent| sent.sampled().is_some() && sent != made);
    let mut span = handling(shared, event, sent.as_ref().unwrap_or(made));
    if sent.is_some() {
        span.link(made);
    }
    let tag = i64::try_from(message.delivery.delivery_tag).unwrap_or_default();
    span.set(|| KeyValue::new("messaging.rabbitmq.message.delivery_tag", tag));
    if together > 1 {
        let together = i64::try_from(together).unwrap_or(i64::MAX);
        span.set(|| KeyValue::new("messaging.batch.message_count", together));
    }
    Some(span)
}

/// The step of handling `event`, as that of a message or of an event that has waited.
pub(super) fn handling(shared: &Shared, event: &IncomingEvent, cause: &TraceContext) -> Span {
    Span::within(cause, SpanKind::Consumer, || {
        let (exchange, queue) = (&shared.broker.exchange, &shared.topology.queue);
        let destination = format!("{exchange}:{}:{queue}", event.event_type);
        let attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.name", destination.clone()),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", event.event_type.clone()),
            KeyValue::new("messaging.consumer.group.name", shared.consumer.clone()),
            KeyValue::new("messaging.message.id", event.id.to_string()),
            KeyValue::new("db.system.name", "postgresql"),
        ];
        (format!("process {destination}"), attributes)
    })
}

/// Why an event was not handled, in a word.
pub(super) fn kind(error: &HandleError) -> &'static str {
    match error {
        HandleError::Retry(_) => "failed",
        HandleError::Reject(_) => "rejected",
        HandleError::Database(_) => "database",
    }
}
