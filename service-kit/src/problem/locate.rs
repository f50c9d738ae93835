//! From a deserialization error to the place in the request, as RFC 9457 wants it named.

use serde_path_to_error::{Path, Segment};

use super::Problem;

/// The longest text of a client's own that an answer repeats, in characters.
const MAX_ECHO: usize = 200;

/// Where a fault is and what it is: the segments from the root, and the message.
pub(super) struct Located {
    segments: Vec<String>,
    message: String,
}

impl Located {
    /// Reads the place from the path, and, where serde names a field only in words, from the words.
    pub(super) fn new(path: &Path, message: &str) -> Self {
        let mut segments: Vec<String> = path.iter().filter_map(segment).collect();
        let field = ["missing field `", "unknown field `", "duplicate field `"].iter().find_map(|start| {
            let rest = message.strip_prefix(start)?;
            Some(rest.split('`').next().unwrap_or(rest).to_owned())
        });
        if let Some(field) = field
            && segments.last() != Some(&field)
        {
            segments.push(field);
        }
        // serde_json adds " at line 1 column 10", which says less than the pointer.
        let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
        Self {
            segments: segments.iter().map(|segment| shorten(segment)).collect(),
            message: shorten(message),
        }
    }

    /// The problem of a body with this fault.
    pub(super) fn in_body(self) -> Problem {
        let mut pointer = String::from("#");
        for segment in &self.segments {
            pointer.push('/');
            escape_into(&mut pointer, segment);
        }
        Problem::validation(self.sentence()).at(pointer, self.message)
    }

    /// The problem of a query with this fault.
    pub(super) fn in_query(self) -> Problem {
        let name = self.segments.first().cloned().unwrap_or_default();
        Problem::validation(self.sentence()).parameter(name, self.message)
    }

    fn sentence(&self) -> String {
        match self.segments.last() {
            Some(last) if !self.message.contains(last.as_str()) => format!("{last}: {}", self.message),
            _ => self.message.clone(),
        }
    }
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        // serde_json hands over a raw number under a key of its own, which is not in the body.
        Segment::Map { key } if key.starts_with("$serde_json::") => None,
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(MAX_ECHO).collect();
    if text.chars().nth(MAX_ECHO).is_some() {
        short.push('…');
    }
    short
}

/// Escapes a key for a JSON pointer (RFC 6901) inside a URI fragment.
fn escape_into(pointer: &mut String, key: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in key.replace('~', "~0").replace('/', "~1").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            pointer.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(HEX[usize::from(nibble)]);
            pointer.extend(['%', digit(byte >> 4), digit(byte & 0x0F)]);
        }
    }
}
