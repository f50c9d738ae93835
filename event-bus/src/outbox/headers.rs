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
    /// How many there are whose names no header can have: empty, or of more than 255 bytes.
    pub unnameable: usize,
}

/// Reads the column. A writer in another language may store anything there: what cannot be a header does not stop the
/// event.
impl From<String> for RowHeaders {
    fn from(json: String) -> Self {
        // Most rows have a trace or nothing.
        let mut all: Map<String, Value> = serde_json::from_str(&json).unwrap_or_default();
        all.retain(|name, value| !value.is_null() && !["traceparent", "tracestate"].contains(&name.as_str()));
        let named = all.len();
        all.retain(|name, _| envelope::is_short_string(name));
        let unnameable = named - all.len();
        let text = |value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let others = all.into_iter().map(|(name, value)| (name, text(value))).collect();
        Self { trace: TraceContext::from(json), others, unnameable }
    }
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
        let unnameable = RowHeaders::from(format!(r#"{{"{}":"long","":"e","n":null}}"#, "n".repeat(256)));
        assert!(unnameable.others.is_empty() && unnameable.unnameable == 2, "{unnameable:?}");
    }
}
