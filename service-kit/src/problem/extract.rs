//! Extractors that answer with a [`Problem`] when the request cannot be read.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use actix_web::web::{self, Bytes, PathConfig};
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::Problem;
use super::locate::Located;
use super::objects::Objects;

/// A JSON body.
///
/// Another media type is 415; what is not JSON, is not UTF-8, or does not fit the type is 400 with a
/// pointer to the place, an array in place of an object too. Unknown fields are refused where the type
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
        let is_json = is_json(request);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            if !is_json {
                return Err(Problem::unsupported_media_type());
            }
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
        if inner.is_data() {
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

/// What makes `web::Path` answer 400 when a part of the path does not fit its type.
pub fn path_config() -> PathConfig {
    web::PathConfig::default().error_handler(|error, request| {
        let name = request.match_info().iter().next().map_or("path", |(name, _)| name).to_owned();
        let detail = error.to_string();
        Problem::validation(format!("{name}: {detail}")).parameter(name, detail).into()
    })
}
