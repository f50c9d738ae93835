//! The catalog's answers to orders. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::event;
use serde::Serialize;

use super::model::{Item, OrderId};
use crate::products::ProductId;

/// All of an order's stock is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StockReserved {
    /// The order.
    pub order_id: OrderId,
    /// What is reserved.
    pub items: Vec<Item>,
}

/// There is too little of something, and nothing is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StockRejected {
    /// The order.
    pub order_id: OrderId,
    /// What there is too little of.
    pub items: Vec<Shortage>,
}

/// A product that there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shortage {
    /// The product.
    pub product_id: ProductId,
    /// The pieces that the order wants.
    pub requested: i32,
    /// The pieces that there are.
    pub available: i32,
}

// All answers to an order say the same: each has version 1.
event!(StockReserved, "shop.catalog.stock_reserved.v1", |it| (it.order_id, 1));
event!(StockRejected, "shop.catalog.stock_rejected.v1", |it| (it.order_id, 1));
