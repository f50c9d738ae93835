//! What the checkout needs to know of the catalog's products. Only the newest fact counts.

use event_bus::consumer::Order;
use event_bus::{HandleError, Handler, Received};
use serde::Deserialize;
use sqlx::{Postgres, Transaction};

use crate::products::store::{self, At};
use crate::products::{Price, ProductId};

/// Enters a new product.
#[derive(Debug, Clone, Copy)]
pub struct AddProduct;

/// Sets a product's price.
#[derive(Debug, Clone, Copy)]
pub struct RepriceProduct;

/// Sets a product's name and picture.
#[derive(Debug, Clone, Copy)]
pub struct UpdateProduct;

/// Takes a product off sale.
#[derive(Debug, Clone, Copy)]
pub struct RemoveProduct;

/// The fields that are read of a new product.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductAdded {
    product_id: ProductId,
    name: String,
    price: Price,
    picture_url: String,
}

/// The fields that are read of a new price.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductPriceChanged {
    product_id: ProductId,
    new_price: Price,
}

/// The fields that are read of a new name or picture.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductChanged {
    product_id: ProductId,
    name: String,
    picture_url: String,
}

/// The field that is read of a removed product.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRemoved {
    product_id: ProductId,
}

/// When a change happened.
fn at<P>(event: &Received<P>, product: ProductId) -> Result<At<'_>, HandleError> {
    event.check_key(product)?;
    let Received { source, generation, version, .. } = event;
    Ok(At { source, is_change: true, generation: *generation, version: *version })
}

impl Handler for AddProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_added.v1";
    const ORDER: Order = Order::LatestWins;
    type Payload = ProductAdded;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<ProductAdded>,
    ) -> Result<(), HandleError> {
        let ProductAdded { product_id, name, price, picture_url } = &event.data;
        let at = At { is_change: false, ..at(event, *product_id)? };
        store::set_details(tx, *product_id, name, picture_url, at).await?;
        Ok(store::set_price(tx, *product_id, *price, at).await?)
    }
}

impl Handler for RepriceProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_price_changed.v1";
    const ORDER: Order = Order::LatestWins;
    type Payload = ProductPriceChanged;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<ProductPriceChanged>,
    ) -> Result<(), HandleError> {
        let at = at(event, event.data.product_id)?;
        Ok(store::set_price(tx, event.data.product_id, event.data.new_price, at).await?)
    }
}

impl Handler for UpdateProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_changed.v1";
    const ORDER: Order = Order::LatestWins;
    type Payload = ProductChanged;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<ProductChanged>,
    ) -> Result<(), HandleError> {
        let ProductChanged { product_id, name, picture_url } = &event.data;
        let at = at(event, *product_id)?;
        Ok(store::set_details(tx, *product_id, name, picture_url, at).await?)
    }
}

impl Handler for RemoveProduct {
    const EVENT_TYPE: &'static str = "shop.catalog.product_removed.v1";
    type Payload = ProductRemoved;

    async fn handle(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        event: &Received<ProductRemoved>,
    ) -> Result<(), HandleError> {
        let at = at(event, event.data.product_id)?;
        Ok(store::remove(tx, event.data.product_id, at).await?)
    }
}
