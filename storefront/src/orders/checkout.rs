//! Ordering what is in the cart.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{get, post};
use askama::Template;
use rust_decimal::Decimal;
use serde::Deserialize;
use uuid::Uuid;

use crate::clients::{Address, Basket, Placing};
use crate::pages::{Answer, CartMark, Change, Frame, Money, Section, Visit, html, see_other};
use crate::session::Posted;

/// How long the page waits for the cart.
const DEADLINE: Duration = Duration::from_secs(4);

/// The most kinds of products of one order.
const MAX_LINES: usize = 50;

/// The cards of the sandbox: what the provider calls them, and what they do.
const CARDS: [(&str, &str); 5] = [
    ("tok_ok", "Test card that pays"),
    ("tok_declined", "Test card that is declined"),
    ("tok_slow", "Test card of a slow bank"),
    ("tok_timeout", "Test card of a bank that answers the second time"),
    ("tok_flaky", "Test card of a bank that fails twice"),
];

#[derive(Template)]
#[template(path = "orders/checkout.html")]
struct Page {
    frame: Frame,
    lines: Vec<Line>,
    total: Money,
    form: CheckoutForm,
    cards: [(&'static str, &'static str); 5],
    fault: Option<String>,
}

struct Line {
    product_id: i64,
    name: String,
    quantity: i64,
    sum: Money,
    /// The change from the price that the buyer last accepted.
    change: Option<Change>,
    is_withdrawn: bool,
}

/// What the buyer has filled in, and what they have seen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct CheckoutForm {
    name: String,
    street: String,
    postcode: String,
    city: String,
    country: String,
    card: String,
    /// What the page showed: `product:quantity`, with commas between. What comes into the cart later is not ordered.
    items: String,
    /// The total that the page showed.
    total: String,
    /// The idempotency key: a form that is sent twice places one order.
    key: String,
}

#[get("/checkout")]
pub(super) async fn show(visit: Visit) -> Answer {
    visit.shop.ordering()?;
    page(&visit, CheckoutForm::default(), None).await
}

/// Shows the cart as it is now, with what was filled in before.
async fn page(visit: &Visit, mut form: CheckoutForm, fault: Option<(StatusCode, String)>) -> Answer {
    let cart = visit.shop.basket.cart(visit.user()?, DEADLINE).await;
    let frame = visit.frame_with("Checkout", Section::Cart, CartMark::of(&cart));
    let (basket, _) = cart?;
    let ordered: Vec<_> = basket.items.iter().filter(|line| line.available).collect();
    let total: Decimal = ordered.iter().map(|line| line.unit_price * Decimal::from(line.quantity)).sum();
    let fault = fault.or_else(|| (ordered.len() > MAX_LINES).then(|| (StatusCode::OK, too_many())));
    let items = ordered.iter().map(|line| format!("{}:{}", line.product_id, line.quantity));
    form.items = items.collect::<Vec<_>>().join(",");
    form.total = format!("{total:.2}");
    // Under the old key ordering remembers its refusal.
    form.key = Uuid::new_v4().to_string();
    let (status, fault) = match fault {
        Some((status, fault)) => (status, Some(fault)),
        None => (StatusCode::OK, None),
    };
    let total = Money::new(total, &basket.currency);
    html(status, &Page { frame, lines: lines(basket), total, form, cards: CARDS, fault })
}

fn lines(basket: Basket) -> Vec<Line> {
    let currency = &basket.currency;
    let line = |line: crate::clients::BasketLine| Line {
        product_id: line.product_id,
        quantity: line.quantity,
        sum: Money::new(line.unit_price * Decimal::from(line.quantity), currency),
        change: line.old_unit_price.map(|old| Change::new(old, line.unit_price, currency)),
        is_withdrawn: !line.available,
        name: line.product_name,
    };
    basket.items.into_iter().map(line).collect()
}

#[post("/checkout")]
pub(super) async fn place(visit: Visit, Posted(form): Posted<CheckoutForm>) -> Answer {
    let user = visit.user()?;
    let ordering = visit.shop.ordering()?;
    let Some(items) = items(&form.items) else {
        let fault = "There is nothing in your cart that can be ordered.".to_owned();
        return page(&visit, form, Some((StatusCode::UNPROCESSABLE_ENTITY, fault))).await;
    };
    if items.len() > MAX_LINES {
        return page(&visit, form, Some((StatusCode::UNPROCESSABLE_ENTITY, too_many()))).await;
    }
    let address = form.address();
    let placing =
        Placing { items: &items, address: &address, payment_token: &form.card, expected_total: &form.total };
    match ordering.place(user, &placing, &form.key).await {
        Ok(order) => Ok(see_other(&format!("/orders/{order}?did=placed"))),
        Err(error) if error.is(reqwest::StatusCode::CONFLICT) => {
            let fault = format!("{} Nothing was ordered: look at the total again.", error.message());
            page(&visit, form, Some((StatusCode::CONFLICT, fault))).await
        }
        Err(error) if !error.is_unavailable() => {
            page(&visit, form, Some((StatusCode::UNPROCESSABLE_ENTITY, error.message()))).await
        }
        // The order may have been placed: sent again, the same form places no second one.
        Err(error) => Err(error.into()),
    }
}

impl CheckoutForm {
    fn address(&self) -> Address {
        let text = |text: &str| text.trim().to_owned();
        Address {
            name: text(&self.name),
            street: text(&self.street),
            postcode: text(&self.postcode),
            city: text(&self.city),
            country: text(&self.country),
        }
    }
}

/// Reads the products and quantities that the page showed; `None` where there are none.
fn items(text: &str) -> Option<Vec<(i64, i64)>> {
    let item = |item: &str| {
        let (id, quantity) = item.split_once(':')?;
        Some((id.parse().ok()?, quantity.parse().ok()?))
    };
    text.split(',').map(item).collect()
}

fn too_many() -> String {
    format!("An order has at most {MAX_LINES} different products: take some out of your cart.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_page_showed_is_ordered() {
        assert_eq!(items("7:2,9:1"), Some(vec![(7, 2), (9, 1)]));
        for text in ["", "7", "7:two", "7:2,", ":"] {
            assert_eq!(items(text), None, "{text:?}");
        }
    }
}
