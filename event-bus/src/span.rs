//! The steps of a trace, as spans of OpenTelemetry.
//!
//! A step is recorded where its trace is sampled and the process has set a tracer provider
//! ([`opentelemetry::global::set_tracer_provider`]). Elsewhere a [`Span`] is nothing. The context goes from step to step
//! as a [`TraceContext`]: from the request into the row, the message and the handler, with nothing kept per thread.

use std::str::FromStr;

use opentelemetry::{
    Context, StringValue,
    global::{self, BoxedSpan},
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId,
        TraceState, Tracer,
    },
};
pub use opentelemetry::{KeyValue, trace::SpanKind};

use crate::TraceContext;

/// The scope that all spans are in.
const SCOPE: &str = "event-bus";

/// One step of a trace; ends when it is dropped.
#[must_use = "the step ends when its span is dropped"]
#[derive(Default)]
pub struct Span(Option<BoxedSpan>);

impl Span {
    /// A step that `cause` has caused. Nothing, and `describe` is not called, if that trace is not sampled.
    pub fn within(
        cause: &TraceContext,
        kind: SpanKind,
        describe: impl FnOnce() -> (String, Vec<KeyValue>),
    ) -> Self {
        let parent = cause.sampled().and_then(remote);
        parent.map_or_else(Self::default, |parent| Self::start(&parent, kind, describe()))
    }

    /// The first step of a new trace. The sampler of the process decides whether it is recorded.
    pub fn first(kind: SpanKind, name: String, attributes: Vec<KeyValue>) -> Self {
        Self::start(&Context::new(), kind, (name, attributes))
    }

    fn start(parent: &Context, kind: SpanKind, (name, attributes): (String, Vec<KeyValue>)) -> Self {
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        Self(Some(global::tracer(SCOPE).build_with_context(builder, parent)))
    }

    /// The trace, for the steps that this one causes; `None` where there is no span.
    pub fn context(&self) -> Option<TraceContext> {
        let span = self.0.as_ref()?.span_context();
        let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
        let state = span.trace_state().header();
        TraceContext::parse(&format!("00-{trace:032x}-{id:016x}-{flags:02x}"), Some(&state))
    }

    /// Names another trace context that this step has to do with.
    pub fn link(&mut self, other: &TraceContext) {
        if let (Some(span), Some(other)) = (&mut self.0, other.sampled().and_then(span_context)) {
            span.add_link(other, Vec::new());
        }
    }

    /// Says more about the step.
    pub fn set(&mut self, attribute: impl FnOnce() -> KeyValue) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(attribute());
        }
    }

    /// Says that the step has failed: `kind` is one of few, such as `timeout` or a status.
    pub fn fail(&mut self, kind: impl Into<StringValue>) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(KeyValue::new("error.type", kind.into()));
            span.set_status(Status::error(""));
        }
    }
}

fn remote(parent: &TraceContext) -> Option<Context> {
    Some(Context::new().with_remote_span_context(span_context(parent)?))
}

fn span_context(context: &TraceContext) -> Option<SpanContext> {
    let parent = context.traceparent()?;
    let trace = TraceId::from_hex(parent.get(3..35)?).ok()?;
    let id = SpanId::from_hex(parent.get(36..52)?).ok()?;
    let state = context.tracestate().and_then(|state| TraceState::from_str(state).ok());
    Some(SpanContext::new(trace, id, TraceFlags::SAMPLED, true, state.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_that_is_not_sampled_is_not_described() {
        let trace = TraceContext::parse(&SAMPLED.replace("-01", "-00"), None).unwrap();
        for trace in [trace, TraceContext::default()] {
            let span = Span::within(&trace, SpanKind::Internal, || panic!("described"));
            assert_eq!(span.context(), None);
        }
    }

    #[test]
    fn without_a_provider_the_trace_goes_on_as_it_came() {
        let trace = TraceContext::parse(SAMPLED, Some("vendor=1")).unwrap();
        let mut span = Span::within(&trace, SpanKind::Internal, || ("step".to_owned(), Vec::new()));
        span.link(&trace);
        span.fail("timeout");
        assert_eq!(span.context(), Some(trace));
        assert_eq!(Span::first(SpanKind::Server, "step".to_owned(), Vec::new()).context(), None);
    }
}
