//! Forms that only pages of this site can send.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_kit::problem::Problem;
use service_kit::settings::Origins;

/// A form that a page of this site has sent. Every change goes through one.
///
/// A form of another site is refused with 403, although the browser sends the visitor's cookie with it: browsers
/// name the origin in `Sec-Fetch-Site` or `Origin`, and pages cannot change these headers.
#[derive(Debug, Clone)]
pub(crate) struct Posted<T>(pub(crate) T);

/// A form without fields.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Nothing {}

impl<T: DeserializeOwned + 'static> FromRequest for Posted<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let none = Origins::default();
        let origins = request.app_data::<web::Data<Origins>>().map_or(&none, |origins| origins);
        let is_ours = is_ours(request.headers(), origins);
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            if !is_ours {
                return Err(foreign());
            }
            let bytes = bytes.await.map_err(|error| {
                tracing::debug!(%error, "a form cannot be read");
                Problem::validation("the form cannot be read")
            })?;
            serde_urlencoded::from_bytes(&bytes)
                .map(Self)
                .map_err(|error| Problem::validation(format!("the form cannot be read: {error}")))
        })
    }
}

/// Whether a page of this site sent the form, which is found where its request was sent (`Host`), or at one of these
/// origins: a proxy may write another `Host`.
fn is_ours(headers: &HeaderMap, origins: &Origins) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Browsers send this header over TLS and to localhost; elsewhere they send only `Origin`.
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    origins.has(origin) || (host.is_some() && host == text(HOST.as_str()))
}

fn foreign() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "foreign-form", "this did not come from a page of the shop")
        .detail("open the page here and send the form again")
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn allows(headers: &[(&'static str, &'static str)]) -> bool {
        allows_from("\"http://public.example\"", headers)
    }

    fn allows_from(origins: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_ours(&pairs.collect(), &serde_json::from_str(origins).unwrap())
    }

    #[test]
    fn only_a_page_of_this_site_can_send_a_form() {
        assert!(allows(&[("sec-fetch-site", "same-origin")]));
        assert!(allows(&[("origin", "http://shop:5100"), ("host", "shop:5100")]));
        assert!(allows(&[("origin", "http://public.example"), ("host", "inner:5100")]));
        assert!(!allows(&[("origin", "https://public.example"), ("host", "inner:5100")]));
        assert!(!allows(&[("origin", "http://public.example"), ("sec-fetch-site", "cross-site")]));
        assert!(!allows(&[]));
        assert!(!allows(&[("host", "shop:5100")]));
        assert!(!allows(&[("origin", "null"), ("host", "shop:5100")]));
        assert!(!allows(&[("origin", "http://evil"), ("host", "shop:5100")]));
        assert!(!allows(&[("sec-fetch-site", "same-site")]));
        assert!(!allows(&[("sec-fetch-site", "none")]));
        assert!(!allows(&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")]));
    }
}
