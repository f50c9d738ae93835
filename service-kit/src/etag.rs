//! Entity tags, and the two conditions on them.
//!
//! Source: RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, ETag, EntityTag, Header};
use actix_web::{FromRequest, HttpRequest};

use crate::problem::Problem;

/// The strong entity tag of a version: `"7"`.
pub fn of(version: i64) -> ETag {
    ETag(EntityTag::new_strong(version.to_string()))
}

/// The versions that a change is meant for, from `If-Match`; `None` without the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Option<header::IfMatch>);

/// The versions that the caller already has, from `If-None-Match`; `None` without the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfNoneMatch(Option<header::IfNoneMatch>);

impl IfMatch {
    /// Whether the change may be made to this version; without the header, to any.
    pub fn allows(&self, version: i64) -> bool {
        match &self.0 {
            None | Some(header::IfMatch::Any) => true,
            // Weak tags never match here. A tag that cannot be parsed is not in the list, so it matches nothing.
            Some(header::IfMatch::Items(tags)) => tags.iter().any(|tag| tag.strong_eq(&of(version).0)),
        }
    }

    /// Why the change may not be made to this version.
    pub fn refusal(&self, version: i64) -> String {
        match &self.0 {
            Some(header::IfMatch::Items(tags)) if tags.is_empty() => {
                "if-match has no entity tag that can be read: send the etag as it came, with its quotes"
                    .to_owned()
            }
            Some(header::IfMatch::Items(tags)) if tags.iter().any(|tag| tag.weak) => {
                let tag = of(version);
                format!("a weak entity tag (W/\"…\") never matches in if-match: it is now at {}", tag.0)
            }
            _ => format!("it is now at version {version}: read it again"),
        }
    }
}

impl IfNoneMatch {
    /// Whether the caller has this version, so that it need not be sent.
    pub fn has(&self, version: i64) -> bool {
        self.has_tag(&of(version))
    }

    /// Whether the caller has what this tag stands for.
    pub fn has_tag(&self, tag: &ETag) -> bool {
        match &self.0 {
            None => false,
            Some(header::IfNoneMatch::Any) => true,
            Some(header::IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag.0)),
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The parser does not tell a header without a valid tag from one that is absent.
        let is_present = request.headers().contains_key(header::IF_MATCH);
        let parse = || header::IfMatch::parse(request).unwrap_or(header::IfMatch::Items(Vec::new()));
        ready(Ok(Self(is_present.then(parse))))
    }
}

impl FromRequest for IfNoneMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let is_present = request.headers().contains_key(header::IF_NONE_MATCH);
        let parse = || header::IfNoneMatch::parse(request).unwrap_or(header::IfNoneMatch::Items(Vec::new()));
        ready(Ok(Self(is_present.then(parse))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn extract<T: FromRequest<Future = Ready<Result<T, Problem>>>>(request: TestRequest) -> T {
        T::from_request(&request.to_http_request(), &mut Payload::None).into_inner().expect("a condition")
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
            let mut request = TestRequest::default();
            if let Some(value) = value {
                request = request.insert_header((header::IF_MATCH, value));
            }
            let condition: IfMatch = extract(request);
            assert_eq!(condition.allows(7), allowed, "{value:?}");
        }
    }

    #[test]
    fn a_refusal_says_that_weak_tags_never_match() {
        for (value, said) in [
            ("W/\"7\"", "weak"),
            ("W/\"6\"", "weak"),
            ("\"6\", W/\"7\"", "weak"),
            ("W/\"7\",W/\"8\"", "weak"),
            ("\"6\"", "now at version 7"),
            ("7", "quotes"),
        ] {
            let condition: IfMatch = extract(TestRequest::default().insert_header((header::IF_MATCH, value)));
            assert!(!condition.allows(7), "{value}");
            let refusal = condition.refusal(7);
            assert!(refusal.contains(said), "{value}: {refusal}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for (value, has) in [("*", true), ("W/\"7\"", true), ("\"7\"", true), ("\"8\"", false), ("7", false)]
        {
            let request = TestRequest::default().insert_header((header::IF_NONE_MATCH, value));
            assert_eq!(extract::<IfNoneMatch>(request).has(7), has, "{value:?}");
        }
    }
}
