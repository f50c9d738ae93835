//! The cart's page, and the part of the header that shows the cart.

use std::time::Duration;

use actix_web::get;
use actix_web::http::StatusCode;
use askama::Template;

use super::news::News;
use crate::clients::{self, Alert, AlertKind, Basket, BasketLine};
use crate::pages::{Answer, CartMark, Change, Frame, Money, Section, Visit, html};

/// How long the page waits for the cart.
const DEADLINE: Duration = Duration::from_secs(4);

/// The number of recent alerts that are listed.
const RECENT: usize = 10;

#[derive(Template)]
#[template(path = "cart/page.html")]
struct Page {
    frame: Frame,
    cart: clients::Result<Cart>,
}

#[derive(Template)]
#[template(path = "cart/mark.html")]
struct MarkPage {
    frame: Frame,
}

struct Cart {
    lines: Vec<Line>,
    total: Money,
    pieces: i64,
    news: News,
    recent: Vec<RecentAlert>,
}

struct Line {
    entry: BasketLine,
    price: Money,
    sum: Money,
    change: Option<Change>,
}

struct RecentAlert {
    name: String,
    change: Option<Change>,
    is_withdrawn: bool,
    /// When it was raised, for programs and for people.
    at: (String, String),
    is_acknowledged: bool,
}

#[get("/cart")]
pub(super) async fn show(visit: Visit) -> Answer {
    let cart = visit.shop.basket.cart(visit.user()?, DEADLINE).await;
    let mut frame = visit.frame_with("Your cart", Section::Cart, CartMark::of(&cart));
    frame.is_partial = cart.is_err();
    let status = if cart.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let cart = cart.map(|(basket, alerts)| Cart::new(basket, &alerts));
    html(status, &Page { frame, cart })
}

/// The part of the header that shows the cart: an open page renews it.
#[get("/cart/mark")]
pub(super) async fn show_mark(visit: Visit) -> Answer {
    visit.user()?;
    html(StatusCode::OK, &MarkPage { frame: visit.frame("Your cart", Section::Other).await })
}

impl Cart {
    fn new(basket: Basket, alerts: &[Alert]) -> Self {
        let currency = &basket.currency;
        let recent = alerts.iter().take(RECENT).map(|alert| RecentAlert::new(alert, currency));
        Self {
            pieces: basket.pieces(),
            total: Money::new(basket.total, currency),
            recent: recent.collect(),
            news: News::new(&basket, alerts),
            lines: basket.items.into_iter().map(|line| Line::new(line, currency)).collect(),
        }
    }
}

impl Line {
    fn new(entry: BasketLine, currency: &str) -> Self {
        Self {
            price: Money::new(entry.unit_price, currency),
            sum: Money::new(entry.unit_price * rust_decimal::Decimal::from(entry.quantity), currency),
            change: entry.change(currency),
            entry,
        }
    }
}

impl RecentAlert {
    fn new(alert: &Alert, currency: &str) -> Self {
        let at = alert.created_at;
        Self {
            name: alert.product_name.clone(),
            change: alert.change(currency),
            is_withdrawn: alert.kind == AlertKind::ProductRemoved,
            at: (at.to_rfc3339(), at.format("%-d %b, %H:%M:%S UTC").to_string()),
            is_acknowledged: alert.acknowledged_at.is_some(),
        }
    }
}

impl BasketLine {
    /// The change from the accepted price to the price now; `None` where they are the same.
    pub(super) fn change(&self, currency: &str) -> Option<Change> {
        let old = self.old_unit_price.filter(|_| self.available)?;
        Some(Change::new(old, self.unit_price, currency))
    }
}

impl Alert {
    pub(super) fn change(&self, currency: &str) -> Option<Change> {
        let (old, new) = self.old_price.zip(self.new_price)?;
        Some(Change::new(old, new, currency))
    }
}
