//! The `headers` of a row of the log.

use serde_json::{Map, Value};

use crate::{TraceContext, envelope};

/// The headers that a writer stored with an event: the trace that caused it, and what else goes along with the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowHeaders {
    /// The trace that caused the event.
    pub trace: TraceContext,
    /// The other headers. A value that is no text is its JSON.
    pub others: Vec<(String, String)>,
}

/// Reads the column. A writer in another language may store anything there: what cannot be a header does not stop the
/// event.
impl From<String> for RowHeaders {
    fn from(json: String) -> Self {
        // Most rows have a trace or nothing.
        let all: Map<String, Value> = serde_json::from_str(&json).unwrap_or_default();
        let others = all.into_iter().filter(|(name, value)| is_header(name) && !value.is_null());
        let text = |value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let others = others.map(|(name, value)| (name, text(value))).collect();
        Self { trace: TraceContext::from(json), others }
    }
}

fn is_header(name: &str) -> bool {
    envelope::is_short_string(name) && !["traceparent", "tracestate"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(json: &str) -> Vec<(String, String)> {
        RowHeaders::from(json.to_owned()).others
    }

    #[test]
    fn headers_besides_the_trace_context_are_kept_as_texts() {
        let json = r#"{"tenant":"blue","attempt":3,"tags":["a"],"empty":null,"traceparent":"x"}"#;
        let mut others = others(json);
        others.sort_unstable();
        let expected = [("attempt", "3"), ("tags", r#"["a"]"#), ("tenant", "blue")];
        assert_eq!(others, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_cannot_be_a_header_is_none() {
        assert!(others("[]").is_empty() && others("7").is_empty() && others("").is_empty());
        assert!(others(&format!(r#"{{"{}":"long","":"e"}}"#, "n".repeat(256))).is_empty());
    }
}
