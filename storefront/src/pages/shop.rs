//! What every request can reach.

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};
use service_kit::auth::Verifier;
use service_kit::problem::Problem;
use tokio_util::sync::CancellationToken;

use crate::backends::{BasketApi, CatalogApi};
use crate::live::Hub;
use crate::ops::ControlRoom;
use crate::session::{Issuer, SessionCookie, User};
use crate::settings::Settings;

/// The parts that this service is made of; one for the whole process.
#[derive(Clone)]
pub struct Shop {
    /// catalog-api.
    pub catalog: CatalogApi,
    /// basket-api.
    pub basket: BasketApi,
    /// Tokens for visitors who sign in by name; `None` where they cannot.
    pub issuer: Option<Issuer>,
    /// How sessions are kept.
    pub cookie: SessionCookie,
    /// What open pages are told.
    pub hub: Hub,
    /// The control room; `None` where no relay is configured.
    pub control_room: Option<ControlRoom>,
    verifier: Verifier,
}

impl Shop {
    /// Puts the parts together; nothing is connected. `stop` ends what goes on between requests.
    pub fn new(settings: &Settings, verifier: Verifier, stop: &CancellationToken) -> Result<Self> {
        let catalog = CatalogApi::new(settings)?;
        let basket = BasketApi::new(settings)?;
        Ok(Self {
            catalog,
            hub: Hub::new(basket.clone(), stop.clone()),
            basket,
            issuer: Issuer::new(&settings.auth, settings.mode),
            cookie: SessionCookie::new(settings.mode),
            control_room: ControlRoom::new(settings)?,
            verifier,
        })
    }

    /// Whether this is development mode, where signing in needs nothing but a name.
    pub fn is_development(&self) -> bool {
        self.issuer.is_some()
    }

    /// Whose token this is; an error if it does not count.
    pub async fn recognise(&self, token: SecretString) -> Result<User, Problem> {
        let identity = self.verifier.verify(token.expose_secret()).await?;
        Ok(User::new(identity, token))
    }
}
