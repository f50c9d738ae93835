//! One request by one visitor, and what it works with.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};
use service_kit::app::Service;
use service_kit::auth::{Signer, Verifier};
use service_kit::problem::Problem;
use service_kit::settings::Mode;

use super::notice::{self, Notice};
use super::{CartMark, Frame, Section};
use crate::clients::{
    self, AccountsClient, Alert, Basket, BasketClient, CatalogClient, MailboxClient, OrderingClient,
};
use crate::session::{SessionCookie, User};
use crate::settings::Settings;

/// How long a page waits for the cart in its header.
const CART_DEADLINE: Duration = Duration::from_secs(1);

/// What every request of a visitor works with; one for the whole process.
pub(crate) struct Shop {
    pub(crate) catalog: CatalogClient,
    pub(crate) basket: BasketClient,
    /// Only in development mode.
    pub(crate) mailbox: Option<MailboxClient>,
    ordering: Option<OrderingClient>,
    accounts: Option<AccountsClient>,
    /// Only in development mode, where a visitor signs in by name.
    pub(crate) signer: Option<Signer>,
    pub(crate) cookie: SessionCookie,
    pub(crate) has_control_room: bool,
    verifier: Verifier,
}

impl Shop {
    /// Does not connect.
    pub(crate) fn new(service: &Service<Settings>) -> anyhow::Result<Self> {
        let (settings, common) = (&service.settings, &service.common);
        Ok(Self {
            catalog: CatalogClient::new(settings)?,
            basket: BasketClient::new(settings)?,
            mailbox: MailboxClient::new(settings, common.mode)?,
            ordering: OrderingClient::new(settings)?,
            accounts: AccountsClient::new(settings)?,
            signer: Signer::new(&common.auth, common.mode)?.filter(|_| common.mode == Mode::Development),
            cookie: SessionCookie::new(common.mode),
            has_control_room: settings.relay.is_some(),
            verifier: service.verifier.clone(),
        })
    }

    /// What orders are placed with; 404 in a shop without orders.
    pub(crate) fn ordering(&self) -> Result<&OrderingClient, Problem> {
        self.ordering.as_ref().ok_or_else(|| Problem::not_found("this shop takes no orders"))
    }

    /// What users register and sign in with; 404 in a shop without accounts.
    pub(crate) fn accounts(&self) -> Result<&AccountsClient, Problem> {
        self.accounts.as_ref().ok_or_else(|| Problem::not_found("this shop has no accounts"))
    }

    /// The user whose token this is; 401 if the token is not valid, because it has expired for instance, and 503 if it
    /// cannot be checked now.
    pub(crate) async fn user(&self, token: SecretString) -> Result<User, Problem> {
        let identity = self.verifier.verify(token.expose_secret()).await?;
        Ok(User::new(identity, token))
    }
}

/// One request by one visitor, signed in or not.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) shop: web::Data<Shop>,
    user: Result<User, Problem>,
    here: String,
    notice: Option<Notice>,
}

impl CartMark {
    /// What the header shows of this cart.
    pub(crate) fn of(cart: &clients::Result<(Basket, Vec<Alert>)>) -> Self {
        match cart {
            Ok((basket, alerts)) => Self {
                pieces: basket.pieces(),
                news: basket.changed_products(alerts).len(),
                is_unknown: false,
            },
            Err(error) => {
                tracing::debug!(%error, "a page is shown without the cart");
                Self { is_unknown: true, ..Self::default() }
            }
        }
    }
}

impl Visit {
    /// The user; 401, which a browser sees as the page for signing in, if the visitor has not signed in, and 503 if the
    /// session cannot be checked now.
    pub(crate) fn user(&self) -> Result<&User, Problem> {
        self.user.as_ref().map_err(Clone::clone)
    }

    /// The user, who must have this scope; 403 without it.
    pub(crate) fn allowed(&self, scope: &str) -> Result<&User, Problem> {
        let user = self.user()?;
        if user.may(scope) { Ok(user) } else { Err(Problem::forbidden(scope)) }
    }

    /// The frame of the visitor's page. Reads the cart, and goes without if the basket does not answer.
    pub(crate) async fn frame(&self, title: &str, section: Section) -> Frame {
        let mark = match &self.user {
            Ok(user) => CartMark::of(&self.shop.basket.cart(user, CART_DEADLINE).await),
            Err(_) => CartMark::default(),
        };
        self.frame_with(title, section, mark)
    }

    /// The same, for a page that has read the cart itself.
    pub(crate) fn frame_with(&self, title: &str, section: Section, cart: CartMark) -> Frame {
        Frame {
            section,
            user: self.user.clone().ok(),
            cart,
            notice: self.notice,
            here: self.here.clone(),
            is_development: self.shop.signer.is_some(),
            has_control_room: self.shop.has_control_room,
            has_mailbox: self.shop.mailbox.is_some(),
            has_orders: self.shop.ordering.is_some(),
            has_accounts: self.shop.accounts.is_some(),
            ..Frame::bare(title)
        }
    }
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let shop = request.app_data::<web::Data<Shop>>().cloned();
        let here = request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned();
        let notice = notice::of_query(request.query_string());
        let request = request.clone();
        Box::pin(async move {
            let shop = shop.ok_or_else(|| Problem::internal(&"the service's parts are not set up"))?;
            // The error is kept for the pages that need the user; the others go on without one.
            let user = match shop.cookie.read(&request) {
                Some(token) => shop.user(token).await,
                None => Err(Problem::unauthorized(None, "sign in to see this page")),
            };
            Ok(Self { shop, user, here, notice })
        })
    }
}
