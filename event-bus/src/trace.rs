//! W3C trace context, carried from the request that caused an event to its handlers.
//!
//! Source of the format: W3C Trace Context, sections 3.2 and 3.3.

use serde::{Deserialize, Serialize};

/// The limit of W3C Trace Context, section 3.3.1.5, below which `tracestate` should be propagated.
const TRACESTATE_LIMIT: usize = 512;

/// The trace that caused an event; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TraceContext {
    /// W3C `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// W3C `tracestate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl TraceContext {
    /// Parses the two headers. `None` if `traceparent` is malformed; what a version after 00 has in common with
    /// version 00 is kept as version 00. A `tracestate` that is empty, too long or not printable is left out.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let traceparent = parse_traceparent(traceparent)?;
        let tracestate = tracestate
            .filter(|state| !state.is_empty() && state.len() <= TRACESTATE_LIMIT)
            .filter(|state| state.bytes().all(|byte| (0x20..0x7f).contains(&byte)))
            .map(str::to_owned);
        Some(Self { traceparent: Some(traceparent), tracestate })
    }

    /// The `traceparent` header, where there is a trace.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// The `tracestate` header, where there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The trace itself, if whoever began it wants it recorded.
    pub fn sampled(&self) -> Option<&Self> {
        let flags = u8::from_str_radix(self.traceparent.as_deref()?.get(53..)?, 16).ok()?;
        (flags & 1 == 1).then_some(self)
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|parent| parent.get(3..35))
    }
}

/// Reads the `headers` of a row of the log. A writer in another language may store anything there: an invalid trace
/// context counts as none, and does not stop the event.
impl From<String> for TraceContext {
    fn from(json: String) -> Self {
        let headers: Self = serde_json::from_str(&json).unwrap_or_default();
        let parent = headers.traceparent.as_deref();
        parent.and_then(|parent| Self::parse(parent, headers.tracestate.as_deref())).unwrap_or_default()
    }
}

fn parse_traceparent(text: &str) -> Option<String> {
    let is_hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && !is_zero(trace)
        && is_hex(span, 16)
        && !is_zero(span)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    is_valid.then(|| format!("00-{trace}-{span}-{flags}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_well_formed_traceparent_is_kept_with_its_state() {
        let trace = TraceContext::parse(PARENT, Some("vendor=1")).unwrap();
        assert_eq!(trace.traceparent(), Some(PARENT));
        assert_eq!(trace.tracestate(), Some("vendor=1"));
        assert_eq!(trace.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    }

    #[test]
    fn the_last_bit_of_the_flags_says_whether_a_trace_is_sampled() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            let parent = PARENT.replace("-01", &format!("-{flags}"));
            assert_eq!(TraceContext::parse(&parent, None).unwrap().sampled().is_some(), sampled, "{flags}");
        }
        assert_eq!(TraceContext::default().sampled(), None);
    }

    #[test]
    fn a_malformed_traceparent_is_no_trace() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-ébf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_counts_as_version_00() {
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
        assert_eq!(TraceContext::parse(later, None).unwrap().traceparent(), Some(PARENT));
    }

    #[test]
    fn headers_that_are_no_trace_context_are_none() {
        for json in ["[]", "{}", "7", "", r#"{"traceparent":1}"#, r#"{"traceparent":"x"}"#] {
            assert_eq!(TraceContext::from(json.to_owned()), TraceContext::default(), "{json}");
        }
        let json = format!(r#"{{"traceparent":"{PARENT}","other":{{}}}}"#);
        assert_eq!(TraceContext::from(json).traceparent(), Some(PARENT));
    }

    #[test]
    fn a_state_that_cannot_be_a_header_is_left_out() {
        for state in ["", "a\nb", &"x".repeat(513)] {
            assert_eq!(TraceContext::parse(PARENT, Some(state)).unwrap().tracestate(), None);
        }
    }
}
