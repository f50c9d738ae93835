//! The changes that a buyer has not acknowledged yet.

use crate::clients::{Alert, AlertKind, Basket};
use crate::pages::Change;

/// The changes that a buyer has not acknowledged yet, one entry for each product.
pub(super) struct News {
    pub(super) items: Vec<NewsItem>,
    /// The ids of the alerts behind them, separated by commas: a form carries them.
    pub(super) alert_ids: String,
}

/// The change of one product.
pub(super) struct NewsItem {
    pub(super) product_id: i64,
    pub(super) name: String,
    /// The price, where it differs from the price that the buyer accepted.
    pub(super) change: Option<Change>,
    pub(super) is_withdrawn: bool,
}

impl News {
    /// A price that changed several times is one entry, from the accepted price to the price now.
    pub(super) fn new(basket: &Basket, alerts: &[Alert]) -> Self {
        let unseen: Vec<&Alert> = alerts.iter().filter(|alert| alert.acknowledged_at.is_none()).collect();
        let mut rest = basket.changed_products(alerts);
        let lines = basket.items.iter().filter(|line| rest.remove(&line.product_id));
        let mut items: Vec<NewsItem> = lines
            .map(|line| NewsItem {
                product_id: line.product_id,
                name: line.product_name.clone(),
                change: line.change(&basket.currency),
                is_withdrawn: !line.available,
            })
            .collect();
        // Products that the buyer has removed since.
        let others = unseen.iter().filter(|alert| rest.remove(&alert.product_id));
        items.extend(others.map(|alert| NewsItem {
            product_id: alert.product_id,
            name: alert.product_name.clone(),
            change: alert.change(&basket.currency),
            is_withdrawn: alert.kind == AlertKind::ProductRemoved,
        }));
        let ids: Vec<String> = unseen.iter().map(|alert| alert.id.to_string()).collect();
        Self { items, alert_ids: ids.join(",") }
    }
}
