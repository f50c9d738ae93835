//! What every request of a visitor works with.

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};
use service_kit::auth::Verifier;
use service_kit::problem::Problem;

use crate::clients::{BasketClient, CatalogClient};
use crate::session::{Issuer, SessionCookie, User};
use crate::settings::Settings;

/// What every request of a visitor works with; one for the whole process.
pub(crate) struct Shop {
    pub(crate) catalog: CatalogClient,
    pub(crate) basket: BasketClient,
    /// Only in development mode, where a visitor signs in by name.
    pub(crate) issuer: Option<Issuer>,
    pub(crate) cookie: SessionCookie,
    pub(crate) has_control_room: bool,
    verifier: Verifier,
}

impl Shop {
    /// Does not connect.
    pub(crate) fn new(settings: &Settings, verifier: Verifier) -> Result<Self> {
        Ok(Self {
            catalog: CatalogClient::new(settings)?,
            basket: BasketClient::new(settings)?,
            issuer: Issuer::new(&settings.auth, settings.mode),
            cookie: SessionCookie::new(settings.mode),
            has_control_room: settings.relay.is_some(),
            verifier,
        })
    }

    /// The user whose token this is; an error if the token is not valid.
    pub(crate) async fn user(&self, token: SecretString) -> Result<User, Problem> {
        let identity = self.verifier.verify(token.expose_secret()).await?;
        Ok(User::new(identity, token))
    }
}
