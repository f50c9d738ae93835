//! A basket's version as an entity tag, and the two conditions on it.
//!
//! Source: RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2.

use std::convert::Infallible;

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, ETag, EntityTag, HeaderName},
};
use std::future::{Ready, ready};

/// The strong entity tag of a version, `"7"`.
pub fn of(version: i64) -> ETag {
    ETag(EntityTag::new_strong(version.to_string()))
}

/// The versions that a change is meant for, from `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Condition);

/// The versions that the caller already has, from `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(Condition);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Absent,
    Any,
    Tags(Vec<EntityTag>),
}

impl IfMatch {
    /// Whether the change may be made to this version; without the header, to any.
    pub fn allows(&self, version: i64) -> bool {
        match &self.0 {
            Condition::Absent | Condition::Any => true,
            // Weak tags never match here, and a tag that cannot be read was none of ours.
            Condition::Tags(tags) => tags.iter().any(|tag| tag.strong_eq(&of(version).0)),
        }
    }
}

impl IfNoneMatch {
    /// Whether the caller has this version, so that it need not be sent.
    pub fn has(&self, version: i64) -> bool {
        match &self.0 {
            Condition::Absent => false,
            Condition::Any => true,
            Condition::Tags(tags) => tags.iter().any(|tag| tag.weak_eq(&of(version).0)),
        }
    }
}

impl Condition {
    fn read(request: &HttpRequest, name: &HeaderName) -> Self {
        if !request.headers().contains_key(name) {
            return Self::Absent;
        }
        let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
        let mut tags = Vec::new();
        // Our own tags contain no comma, so one within quotes only splits a tag that is not ours.
        for text in values.flat_map(|value| value.split(',')).map(str::trim) {
            if text == "*" {
                return Self::Any;
            }
            tags.extend(text.parse::<EntityTag>());
        }
        Self::Tags(tags)
    }
}

impl FromRequest for IfMatch {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Condition::read(request, &header::IF_MATCH))))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Condition::read(request, &header::IF_NONE_MATCH))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn if_match(value: Option<&str>) -> IfMatch {
        let mut request = TestRequest::default();
        if let Some(value) = value {
            request = request.insert_header((header::IF_MATCH, value));
        }
        IfMatch(Condition::read(&request.to_http_request(), &header::IF_MATCH))
    }

    #[test]
    fn if_match_compares_strongly() {
        for (value, allowed) in [
            (None, true),
            (Some("*"), true),
            (Some("\"7\""), true),
            (Some("\"6\", \"7\""), true),
            (Some("\"6\""), false),
            (Some("W/\"7\""), false),
            (Some("7"), false),
            (Some(""), false),
        ] {
            assert_eq!(if_match(value).allows(7), allowed, "{value:?}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, has) in [("*", true), ("W/\"7\"", true), ("\"7\"", true), ("\"8\"", false), ("7", false)]
        {
            let request =
                TestRequest::default().insert_header((header::IF_NONE_MATCH, value)).to_http_request();
            assert_eq!(
                IfNoneMatch(Condition::read(&request, &header::IF_NONE_MATCH)).has(7),
                has,
                "{value:?}"
            );
        }
    }
}
