//! What a basket's address says, checked: whose it is, and which product in it.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use service_kit::{auth::Identity, problem::Problem};

use super::BuyerId;
use crate::products::ProductId;

/// The buyer whose basket the address names, and who has shown a token to be that buyer.
///
/// 401 without a valid token; 403 with one whose subject can be no buyer. 404 for anybody else's basket, and for what cannot be a buyer's id: who
/// else buys here is nobody's business.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Who it is.
    pub id: BuyerId,
    /// Until when the token counts.
    pub expires_at: DateTime<Utc>,
}

impl FromRequest for Buyer {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let identity = Identity::from_request(request, payload);
        let named = Address::of(request).buyer_id;
        Box::pin(async move {
            let identity = identity.await?;
            let id = identity.buyer()?;
            match named {
                Some(named) if named == id.as_str() => Ok(Self { id, expires_at: identity.expires_at }),
                _ => Err(Problem::not_found("there is no such basket, or it is not yours")),
            }
        })
    }
}

/// The product that the address names; 400 for what cannot be a product's id.
#[derive(Debug, Clone, Copy)]
pub struct InBasket(pub ProductId);

impl FromRequest for InBasket {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let product = Address::of(request).product_id.unwrap_or_default().parse::<ProductId>();
        ready(product.map(Self).map_err(|error| {
            Problem::validation(error.to_string()).parameter("productId", error.to_string())
        }))
    }
}

/// The parts of the path, decoded; none where the path cannot be read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    buyer_id: Option<String>,
    product_id: Option<String>,
}

impl Address {
    fn of(request: &HttpRequest) -> Self {
        web::Path::<Self>::extract(request).into_inner().map(web::Path::into_inner).unwrap_or_default()
    }
}
