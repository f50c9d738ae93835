//! Making the properties of a forwarded message fit into one frame.
//!
//! A message's properties are one frame, which is never split. A publisher may fill it with headers of its own, and the
//! broker closes a connection that sends more.

use std::collections::BTreeMap;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString, generation::gen_field_table},
};

use super::headers::{CONSUMER, FAILED_AT, FAILURES, REASON, ROUTING_KEY, text};
use crate::error::shortened;

/// What a frame has beside headers: its own bounds, the class, the sizes, and the other properties, which have at most
/// 255 bytes each; and what the broker adds when it delivers a message again.
const RESERVED: usize = 4 * 1024;

/// The headers that say what happened to a message.
const OURS: [&str; 5] = [REASON, FAILURES, CONSUMER, FAILED_AT, ROUTING_KEY];

/// The most bytes that one of ours has. A larger one of the same name is a publisher's.
const OUR_LARGEST: usize = 2 * 1024;

/// How many dropped headers the reason names.
const NAMED: usize = 3;

/// How many characters of a name it has.
const NAME_LIMIT: usize = 40;

/// Drops foreign headers, the largest first, until the properties fit into a frame. The reason then says so.
pub(crate) fn fitted(properties: BasicProperties, frame_max: u32) -> BasicProperties {
    let limit = usize::try_from(frame_max).unwrap_or(usize::MAX).saturating_sub(RESERVED);
    let Some(headers) = properties.headers().as_ref().filter(|headers| encoded(headers) > limit) else {
        return properties;
    };
    let mut sizes: Vec<_> = headers
        .inner()
        .iter()
        .map(|(name, value)| {
            let mut alone = FieldTable::default();
            alone.insert(name.clone(), value.clone());
            (encoded(&alone), name)
        })
        .collect();
    sizes.sort_by(|a, b| b.cmp(a));
    let mut size: usize = sizes.iter().map(|(size, _)| size).sum();
    let mut dropped = BTreeMap::new();
    let is_foreign = |bytes, name: &ShortString| bytes > OUR_LARGEST || !OURS.contains(&name.as_str());
    for (bytes, name) in sizes.into_iter().filter(|(bytes, name)| is_foreign(*bytes, name)) {
        if size <= limit {
            break;
        }
        size -= bytes;
        dropped.insert(name, bytes);
    }
    let mut kept = FieldTable::default();
    for (name, value) in headers.inner().iter().filter(|(name, _)| !dropped.contains_key(name)) {
        kept.insert(name.clone(), value.clone());
    }
    let reason = text(&properties, REASON).unwrap_or_else(|| "forwarded".to_owned());
    let reason = format!("{}; {}", shortened(&reason), note(&dropped));
    kept.insert(REASON.into(), AMQPValue::LongString(reason.into()));
    properties.with_headers(kept)
}

fn note(dropped: &BTreeMap<&ShortString, usize>) -> String {
    let named = dropped.iter().take(NAMED);
    let named: Vec<_> = named
        .map(|(name, bytes)| {
            // Escaped, a character may have ten.
            let name: String = name.as_str().chars().take(NAME_LIMIT).collect();
            format!("{name:?} of {bytes} bytes")
        })
        .collect();
    let more = match dropped.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("dropped headers that did not fit into a frame: {}{more}", named.join(", "))
}

/// The size on the wire.
fn encoded(headers: &FieldTable) -> usize {
    gen_field_table::<Vec<u8>>(headers)(Vec::new().into())
        .map_or(usize::MAX, |written| usize::try_from(written.position).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, usize)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, bytes) in headers {
            table.insert((*name).into(), AMQPValue::LongString("x".repeat(*bytes).into()));
        }
        table.insert(REASON.into(), AMQPValue::LongString("this one is wrong".into()));
        BasicProperties::default().with_headers(table)
    }

    fn names(properties: &BasicProperties) -> Vec<String> {
        properties.headers().iter().flat_map(FieldTable::inner).map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn headers_that_fit_are_left_as_they_are() {
        let properties = with(&[("a", 60_000), ("b", 60_000)]);
        assert_eq!(fitted(properties.clone(), 131_072), properties);
    }

    #[test]
    fn the_largest_headers_are_dropped_first_and_the_reason_says_so() {
        let fitted = fitted(
            with(&[("small", 10), ("large", 100_000), ("larger", 120_000), ("middle", 20_000)]),
            131_072,
        );
        assert_eq!(names(&fitted), ["large", "middle", "small", REASON]);
        let reason = text(&fitted, REASON).unwrap();
        assert!(reason.starts_with("this one is wrong; dropped headers"), "{reason}");
        assert!(reason.contains("\"larger\" of 1200"), "{reason}");
    }

    #[test]
    fn a_header_that_only_has_the_name_of_ours_is_dropped_too() {
        let fitted = fitted(with(&[(ROUTING_KEY, 130_950)]), 131_072);
        assert_eq!(names(&fitted), [REASON]);
        let mut foreign = FieldTable::default();
        foreign.insert(REASON.into(), AMQPValue::LongString("é".repeat(65_000).into()));
        let fitted = super::fitted(BasicProperties::default().with_headers(foreign), 131_072);
        assert!(encoded(fitted.headers().as_ref().unwrap()) < OUR_LARGEST);
        assert!(text(&fitted, REASON).unwrap().contains("é; dropped headers"));
    }

    #[test]
    fn very_many_small_headers_are_dropped_until_the_rest_fits() {
        let many: Vec<_> = (0..20_000).map(|n| (format!("h{n}"), 1)).collect();
        let many: Vec<_> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let fitted = fitted(with(&many), 131_072);
        assert!(encoded(fitted.headers().as_ref().unwrap()) < 131_072 - RESERVED + 1_024);
        assert!(text(&fitted, REASON).unwrap().contains(" more"));
    }
}
