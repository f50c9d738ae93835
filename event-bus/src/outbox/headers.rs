//! The `headers` of a row of the log.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{TraceContext, envelope};

/// The headers that a writer stored with an event: the trace that caused it, and what else goes along with the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowHeaders {
    /// The trace that caused the event.
    pub trace: TraceContext,
    /// The other headers. A value that is no text is its JSON.
    pub others: Vec<(String, String)>,
    /// How many there are whose names no header can have: empty, of more than 255 bytes, or, as one, all of what is no
    /// JSON object.
    pub unnameable: usize,
}

/// Reads the column. A writer in another language may store anything there: what cannot be a header does not stop the
/// event.
impl From<String> for RowHeaders {
    fn from(json: String) -> Self {
        // As they are written: a number may have more digits than any type here.
        let parsed = serde_json::from_str::<Option<BTreeMap<String, Box<RawValue>>>>(&json);
        let is_no_object = parsed.is_err() && !json.is_empty();
        // Most rows have a trace or nothing.
        let mut all = parsed.ok().flatten().unwrap_or_default();
        all.retain(|name, value| {
            value.get() != "null" && !["traceparent", "tracestate"].contains(&name.as_str())
        });
        let named = all.len();
        all.retain(|name, _| envelope::is_short_string(name));
        let unnameable = named - all.len() + usize::from(is_no_object);
        let text = |value: &str| serde_json::from_str(value).unwrap_or_else(|_| value.to_owned());
        let others = all.into_iter().map(|(name, value)| (name, text(value.get()))).collect();
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
    fn what_no_type_of_ours_can_hold_goes_along_as_it_is_written() {
        let json = r#"{"account":12345678901234567890123,"huge":1e400,"half":"\ud800","tenant":"blue"}"#;
        let expected = [
            ("account", "12345678901234567890123"),
            ("half", r#""\ud800""#),
            ("huge", "1e400"),
            ("tenant", "blue"),
        ];
        assert_eq!(others(json), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let nested = format!(r#"{{"deep":{}{},"tenant":"blue"}}"#, "[".repeat(300), "]".repeat(300));
        assert_eq!(others(&nested).len(), 2);
    }

    #[test]
    fn what_cannot_be_a_header_is_none() {
        assert!(others("[]").is_empty() && others("7").is_empty() && others("").is_empty());
        assert_eq!(
            ["[]", "7", "", "null", "{}"].map(|json| RowHeaders::from(json.to_owned()).unnameable),
            [1, 1, 0, 0, 0]
        );
        let unnameable = RowHeaders::from(format!(r#"{{"{}":"long","":"e","n":null}}"#, "n".repeat(256)));
        assert!(unnameable.others.is_empty() && unnameable.unnameable == 2, "{unnameable:?}");
    }
}
