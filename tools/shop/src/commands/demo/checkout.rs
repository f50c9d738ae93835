//! The calls about orders.

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, Item, check, read};

/// An order, as far as the story needs it.
#[derive(Debug, Deserialize)]
pub(super) struct Order {
    #[serde(rename = "orderId")]
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) reason: Option<String>,
}

#[derive(Deserialize)]
struct Ledger {
    charges: Vec<Charge>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Charge {
    order_id: String,
    refunded: bool,
}

impl Order {
    /// Whether nothing more becomes of it by itself.
    pub(super) fn is_settled(&self) -> bool {
        self.status == "paid" || self.status == "cancelled"
    }
}

impl Api {
    /// Orders one piece; the same key gets the same order. `None` while ordering knows another price, or does not know
    /// the product.
    pub(super) fn order(&self, item: &Item, token: &str, key: &str) -> Result<Option<Order>> {
        let answer = self
            .agent
            .post(&self.orders)
            .header("Authorization", &self.buyer)
            .header("Idempotency-Key", key)
            .send_json(json!({
                "items": [{"productId": item.id, "quantity": 1}],
                "address": {"name": "Demo", "street": "Trail 7", "postcode": "1234", "city": "Tarn", "country": "Norway"},
                "payment": {"token": token},
                "expectedTotal": format!("{:.2}", item.price),
            }));
        match &answer {
            Ok(answer) if [409, 422, 503].contains(&answer.status().as_u16()) => Ok(None),
            _ => read(answer, "the order").map(Some),
        }
    }

    /// The order as it is now.
    pub(super) fn see_order(&self, id: &str) -> Result<Order> {
        let answer =
            self.agent.get(format!("{}/{id}", self.orders)).header("Authorization", &self.buyer).call();
        read(answer, "the order")
    }

    /// Cancels the order.
    pub(super) fn cancel_order(&self, id: &str) -> Result<()> {
        let request = self.agent.post(format!("{}/{id}/cancel", self.orders));
        check(request.header("Authorization", &self.buyer).send_empty(), "cancelling the order").map(|_| ())
    }

    /// How often the provider has charged the order, without what it gave back.
    pub(super) fn charges(&self, id: &str) -> Result<usize> {
        let ledger: Ledger = read(self.agent.get(&self.ledger).call(), "the provider's ledger")?;
        let of_order = |charge: &&Charge| charge.order_id == id && !charge.refunded;
        Ok(ledger.charges.iter().filter(of_order).count())
    }

    /// Sets how many pieces can be sold.
    pub(super) fn set_stock(&self, item: i64, pieces: i64) -> Result<()> {
        if pieces < 0 {
            bail!("{pieces} pieces make no sense");
        }
        let answer = self
            .agent
            .put(format!("{}/items/{item}/stock", self.catalog))
            .header("Authorization", &self.operator)
            .send_json(json!({ "availableStock": pieces }));
        check(answer, "the stock").map(|_| ())
    }
}
