//! The cart's page, and the mark of it that every page shows.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get};
use askama::Template;
use service_kit::problem::Problem;

use super::News;
use crate::backends::{Alert, AlertKind, Basket, BasketApi, BasketLine, Trouble};
use crate::pages::{CartMark, Change, Frame, Money, Section, Visit, html};
use crate::session::User;

/// How long the cart's own page waits for it.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long any other page waits for its mark.
const GLANCE: Duration = Duration::from_secs(1);

/// Alerts that are looked at.
const ALERTS: u8 = 100;

/// Alerts that are listed as history.
const HISTORY: usize = 10;

#[derive(Template)]
#[template(path = "cart/page.html")]
struct Page {
    frame: Frame,
    /// The cart; without it, why not.
    cart: Result<Cart, Trouble>,
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
    history: Vec<Past>,
}

struct Line {
    entry: BasketLine,
    price: Money,
    sum: Money,
    change: Option<Change>,
}

struct Past {
    name: String,
    change: Option<Change>,
    is_withdrawn: bool,
    /// For programs.
    at: String,
    /// For people.
    when: String,
    is_seen: bool,
}

#[get("/cart")]
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    let user = visit.user()?;
    let found = fetch(&visit.shop.basket, user, PATIENCE).await;
    let mut frame = visit.frame_with("Your cart", Section::Cart, mark_of(&found));
    frame.is_partial = found.is_err();
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let cart = found.map(|(basket, alerts)| Cart::new(basket, &alerts));
    html(status, &Page { frame, cart })
}

/// The part of the header that shows the cart, by itself: a live page asks for it.
#[get("/cart/mark")]
pub(super) async fn show_mark(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.user()?;
    html(StatusCode::OK, &MarkPage { frame: visit.frame("Your cart", Section::Nowhere).await })
}

/// What the header shows of this buyer's cart.
pub async fn mark(basket: &BasketApi, user: &User) -> CartMark {
    mark_of(&fetch(basket, user, GLANCE).await)
}

type Found = Result<(Basket, Vec<Alert>), Trouble>;

async fn fetch(api: &BasketApi, user: &User, within: Duration) -> Found {
    let (basket, alerts) =
        tokio::try_join!(api.basket(user, within), api.newest_alerts(user, ALERTS, within))?;
    Ok((basket, alerts.data))
}

fn mark_of(found: &Found) -> CartMark {
    match found {
        Ok((basket, alerts)) => CartMark {
            pieces: pieces(basket),
            news: News::new(basket, alerts).items.len(),
            is_unknown: false,
        },
        Err(trouble) => {
            tracing::debug!(%trouble, "a page goes without the cart's mark");
            CartMark { is_unknown: true, ..CartMark::default() }
        }
    }
}

fn pieces(basket: &Basket) -> i64 {
    basket.items.iter().map(|line| line.quantity).sum()
}

impl Cart {
    fn new(basket: Basket, alerts: &[Alert]) -> Self {
        let news = News::new(&basket, alerts);
        let currency = basket.currency.clone();
        Self {
            pieces: pieces(&basket),
            total: Money::new(basket.total, &currency),
            history: alerts.iter().take(HISTORY).map(|alert| Past::new(alert, &currency)).collect(),
            news,
            lines: basket.items.into_iter().map(|line| Line::new(line, &currency)).collect(),
        }
    }
}

impl Line {
    fn new(line: BasketLine, currency: &str) -> Self {
        let price = Money::new(line.unit_price, currency);
        let old = line.old_unit_price.filter(|_| line.available);
        Self {
            sum: price.times(line.quantity),
            change: old.map(|old| Change { old: Money::new(old, currency), new: price.clone() }),
            price,
            entry: line,
        }
    }
}

impl Past {
    fn new(alert: &Alert, currency: &str) -> Self {
        let prices = alert.old_price.zip(alert.new_price);
        Self {
            name: alert.product_name.clone(),
            change: prices
                .map(|(old, new)| Change { old: Money::new(old, currency), new: Money::new(new, currency) }),
            is_withdrawn: alert.kind == AlertKind::ProductRemoved,
            at: alert.created_at.to_rfc3339(),
            when: alert.created_at.format("%-d %b, %H:%M:%S UTC").to_string(),
            is_seen: alert.acknowledged_at.is_some(),
        }
    }
}
