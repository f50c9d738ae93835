//! Errors as one line of text.

use std::error::Error;

/// The error and its sources, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The first bytes of a reason are enough for people.
const REASON_LIMIT: usize = 1_000;

/// The beginning of a reason.
#[cfg_attr(not(feature = "rabbitmq"), allow(dead_code, reason = "for a subscriber"))]
pub(crate) fn shortened(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(REASON_LIMIT)).unwrap_or_default()
}
