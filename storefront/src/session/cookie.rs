//! The cookie that a session is.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use service_kit::settings::Mode;

use super::User;

/// How this process names and protects its cookie.
#[derive(Debug, Clone, Copy)]
pub struct SessionCookie {
    is_secure: bool,
}

impl SessionCookie {
    /// In production mode the cookie is only ever sent over TLS, and only to this very host.
    pub fn new(mode: Mode) -> Self {
        Self { is_secure: mode == Mode::Production }
    }

    /// Browsers hold a name that begins with `__Host-` to its promises: secure, one host, the whole of it.
    fn name(self) -> &'static str {
        if self.is_secure { "__Host-shop-session" } else { "shop-session" }
    }

    /// The token that the visitor has brought; not verified.
    pub fn read(self, request: &HttpRequest) -> Option<SecretString> {
        request.cookie(self.name()).map(|cookie| SecretString::from(cookie.value().to_owned()))
    }

    /// A cookie that lasts as long as the user's token.
    pub fn issue(self, user: &User) -> Cookie<'static> {
        let left = (user.expires_at - Utc::now()).num_seconds().max(0);
        self.cookie(user.token.expose_secret().to_owned(), time::Duration::seconds(left))
    }

    /// A cookie that ends the session in the browser.
    pub fn clear(self) -> Cookie<'static> {
        self.cookie(String::new(), time::Duration::ZERO)
    }

    fn cookie(self, value: String, lasting: time::Duration) -> Cookie<'static> {
        Cookie::build(self.name(), value)
            .path("/")
            .http_only(true)
            // Lax, not Strict: who follows a link to the shop is still signed in.
            .same_site(SameSite::Lax)
            .secure(self.is_secure)
            .max_age(lasting)
            .finish()
    }
}
