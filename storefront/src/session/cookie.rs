//! The session cookie.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use service_kit::settings::Mode;

use super::User;

/// The name and the protection of the session cookie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionCookie {
    is_secure: bool,
}

impl SessionCookie {
    /// In production mode, browsers send the cookie over TLS and to this host only.
    pub(crate) fn new(mode: Mode) -> Self {
        Self { is_secure: mode == Mode::Production }
    }

    /// Browsers accept a name with the prefix `__Host-` only for a secure cookie of one host.
    fn name(self) -> &'static str {
        if self.is_secure { "__Host-shop-session" } else { "shop-session" }
    }

    /// The visitor's token, not verified.
    pub(crate) fn read(self, request: &HttpRequest) -> Option<SecretString> {
        request.cookie(self.name()).map(|cookie| SecretString::from(cookie.value().to_owned()))
    }

    /// A cookie that expires with the user's token.
    pub(crate) fn issue(self, user: &User) -> Cookie<'static> {
        let left = (user.expires_at - Utc::now()).num_seconds().max(0);
        self.cookie(user.token.expose_secret().to_owned(), time::Duration::seconds(left))
    }

    /// A cookie that ends the session in the browser.
    pub(crate) fn clear(self) -> Cookie<'static> {
        self.cookie(String::new(), time::Duration::ZERO)
    }

    fn cookie(self, value: String, lasting: time::Duration) -> Cookie<'static> {
        Cookie::build(self.name(), value)
            .path("/")
            .http_only(true)
            // Lax, not Strict: a visitor who follows a link to the shop is still signed in.
            .same_site(SameSite::Lax)
            .secure(self.is_secure)
            .max_age(lasting)
            .finish()
    }
}
