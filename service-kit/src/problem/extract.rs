//! Extractors that answer with a [`Problem`] when the request cannot be read.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::web::{self, Bytes, PathConfig};
use actix_web::{FromRequest, HttpRequest};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Problem;
use super::locate::Located;
use super::objects::Objects;

/// A JSON body.
///
/// Another media type is 415, and so is a compressed body; what is not JSON, is not UTF-8, or does not fit the type is 400
/// with a pointer to the place, an array in place of an object too. Unknown fields are refused where the type
/// says `#[serde(deny_unknown_fields)]`. The character NUL is refused everywhere: `PostgreSQL` cannot
/// keep it, and nobody means it.
#[derive(Debug, Clone)]
pub struct Json<T> {
    /// What the body says.
    pub value: T,
    /// The body as it came.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_headers(request);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            checked?;
            // The server has read the body, and refused one that is too large or too slow.
            let bytes = bytes.await.map_err(|error| {
                tracing::debug!(%error, "the body cannot be read");
                Problem::validation("the body cannot be read")
            })?;
            Ok(Self { value: parse(&bytes)?, bytes })
        })
    }
}

/// A [`Json`] body that may be left out.
#[derive(Debug, Clone)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
        if !has_length && !headers.contains_key(TRANSFER_ENCODING) {
            return Box::pin(std::future::ready(Ok(Self(T::default()))));
        }
        let body = Json::<T>::from_request(request, payload);
        Box::pin(async move { Ok(Self(body.await?.value)) })
    }
}

/// Reads a JSON document, or says where it is wrong.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Problem::validation(format!("the body is not UTF-8 after byte {}", error.valid_up_to()))
    })?;
    if text.trim_start().starts_with('[') {
        let detail = "the body must be a JSON object, not an array";
        return Err(Problem::validation(detail).at("#", detail));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(Objects(&mut reader)).map_err(|error| {
        let inner = error.inner();
        // serde_json calls a number that is too large, half of a surrogate pair and too many levels faults of syntax.
        if inner.is_data() || serde_json::from_str::<IgnoredAny>(text).is_ok() {
            Located::new(error.path(), &inner.to_string()).in_body()
        } else {
            Problem::validation(format!("the body is not JSON: {inner}"))
        }
    })?;
    reader.end().map_err(|error| Problem::validation(format!("the body is not JSON: {error}")))?;
    if holds_nul(text) {
        return Err(Problem::validation("the body holds the character NUL, which is not allowed"));
    }
    Ok(value)
}

/// Says whether a valid JSON text has the escape of NUL in a string.
fn holds_nul(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        // What follows a backslash belongs to it, so that `\\u0000` is a backslash and five letters.
        if rest[at + 1..].starts_with("u0000") {
            return true;
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

/// Says whether the body is to be read at all.
fn check_headers(request: &HttpRequest) -> Result<(), Problem> {
    if !is_json(request) {
        return Err(Problem::unsupported_media_type());
    }
    let mut encodings = request.headers().get_all(CONTENT_ENCODING);
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::unsupported_encoding());
    }
    Ok(())
}

fn is_json(request: &HttpRequest) -> bool {
    let Some(Ok(value)) = request.headers().get(CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The parameters of the query; what does not fit the type, or holds the character NUL, is 400 with the parameter's name.
#[derive(Debug, Clone)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let value = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
            .map_err(|error| Located::new(error.path(), &error.inner().to_string()).in_query());
        let value = value.and_then(|value| match pairs.find(|(_, text)| text.contains('\0')) {
            Some((name, _)) => {
                let detail = "a parameter cannot hold the character NUL";
                Err(Problem::validation(format!("{name}: {detail}")).parameter(name.into_owned(), detail))
            }
            None => Ok(value),
        });
        std::future::ready(value.map(Self))
    }
}

/// The one part of the path that varies, read with `FromStr`; what does not fit the type is 400 with the part's name.
///
/// For the ids that are numbers: `web::Path` would read "+7" and "007" as well, and one thing would have several addresses.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: FromStr<Err: Display>> FromRequest for Path<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().load::<String>().map_err(|error| error.to_string());
        let value = text.and_then(|text| text.parse::<T>().map_err(|error| error.to_string()));
        std::future::ready(value.map(Self).map_err(|detail| wrong_path(request, detail)))
    }
}

/// What makes `web::Path` answer 400 when a part of the path does not fit its type.
pub fn path_config() -> PathConfig {
    web::PathConfig::default().error_handler(|error, request| wrong_path(request, error.to_string()).into())
}

fn wrong_path(request: &HttpRequest, detail: String) -> Problem {
    let name = request.match_info().iter().next().map_or("path", |(name, _)| name).to_owned();
    Problem::validation(format!("{name}: {detail}")).parameter(name, detail)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::{Map, Value};

    use super::*;
    use crate::page::PageSize;

    #[test]
    fn a_value_that_cannot_be_read_is_named_by_its_place() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for value in ["1e400", r#""\ud800""#, r#""\udc00""#, &deep] {
            let body = format!(r#"{{"a": {value}}}"#);
            let problem = parse::<Map<String, Value>>(body.as_bytes()).unwrap_err();
            let pointer = problem.0.body.errors.first().and_then(|fault| fault.pointer.as_deref());
            assert!(pointer.is_some_and(|pointer| pointer.starts_with("#/a")), "{value}: {problem}");
        }
        for body in [r#"{"a": 1e400"#, r#"{"a": 1e400} more"#] {
            let problem = parse::<Map<String, Value>>(body.as_bytes()).unwrap_err();
            assert!(problem.0.body.errors.is_empty(), "{body}: {problem}");
        }
    }

    #[test]
    fn a_number_in_a_path_has_one_spelling() {
        let read = |text: &'static str| {
            let request = TestRequest::default().param("id", text).to_http_request();
            Path::<PageSize>::extract(&request).into_inner()
        };
        for text in ["7", "%37"] {
            assert_eq!(read(text).map(|path| i64::from(path.0)).unwrap(), 7, "{text}");
        }
        for text in ["+7", "%2B7", "007", "0", "", "%FF"] {
            let problem = read(text).unwrap_err();
            let parameter = problem.0.body.errors.first().and_then(|fault| fault.parameter.as_deref());
            assert_eq!(parameter, Some("id"), "{text}");
        }
    }
}
