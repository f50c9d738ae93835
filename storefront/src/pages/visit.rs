//! One request by one visitor.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use service_kit::problem::Problem;
use service_kit::trace::RequestTrace;

use super::{CartMark, Frame, Notice, Section, Shop};
use crate::cart;
use crate::session::User;

/// One request by one visitor, who may or may not have signed in.
#[derive(Clone)]
pub struct Visit {
    /// The parts of this service.
    pub shop: web::Data<Shop>,
    /// Who has signed in.
    pub user: Option<User>,
    /// The request's identity, for the services that are asked on its behalf.
    pub trace: RequestTrace,
    here: String,
    notice: Option<Notice>,
}

impl Visit {
    /// Who has signed in; without anybody, 401, which a browser sees as the page for signing in.
    pub fn user(&self) -> Result<&User, Problem> {
        self.user.as_ref().ok_or_else(|| Problem::unauthorized(None, "sign in to see this page"))
    }

    /// Who has signed in and has this scope; 403 without the scope.
    pub fn allowed(&self, scope: &str) -> Result<&User, Problem> {
        let user = self.user()?;
        if user.may(scope) { Ok(user) } else { Err(Problem::forbidden(scope)) }
    }

    /// What surrounds this visitor's page. Asks for the cart, and goes without if that is away.
    pub async fn frame(&self, title: &str, section: Section) -> Frame {
        let mark = match &self.user {
            Some(user) => cart::mark(&self.shop.basket, user).await,
            None => CartMark::default(),
        };
        self.frame_with(title, section, mark)
    }

    /// The same, for a page that has asked for the cart itself.
    pub fn frame_with(&self, title: &str, section: Section, cart: CartMark) -> Frame {
        Frame {
            title: title.to_owned(),
            section,
            user: self.user.clone(),
            cart,
            notice: self.notice,
            is_partial: false,
            here: self.here.clone(),
            is_development: self.shop.is_development(),
            has_control_room: self.shop.control_room.is_some(),
        }
    }
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let shop = request.app_data::<web::Data<Shop>>().cloned();
        let trace = RequestTrace::from_request(request, payload);
        let here = request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned();
        let notice = Notice::of_query(request.query_string());
        let request = request.clone();
        Box::pin(async move {
            let shop = shop.ok_or_else(|| Problem::internal(&"the service's parts are not set up"))?;
            // A token that does not count, because it has expired for instance, is none.
            let user = match shop.cookie.read(&request) {
                Some(token) => shop.recognise(token).await.ok(),
                None => None,
            };
            Ok(Self { shop, user, trace: trace.await?, here, notice })
        })
    }
}
