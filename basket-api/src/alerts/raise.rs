//! What a change of products does to the carts that hold them: new prices in their lines, a new version
//! of the basket, and one alert for each event and cart.
//!
//! To be called after the products' rows were changed in the same transaction: they are locked by then,
//! so nobody can put a product into a cart at its old price any more, and every line that was put in
//! before is seen. Carts are changed, and so locked, in the order of their buyers, before any line is; an
//! alert's id is taken while its buyer's cart is locked (`migrations/*_create_alert.sql` says what for).
//!
//! One statement for any number of events, by index: carts without these products are not touched. How it is
//! carried out is set by `subscriptions::SESSION`: carts are looked up one after another, in the order of their
//! buyers. With other settings the effect is the same and the order may be another; then a deadlock is possible,
//! the database ends one of the two transactions, and that one is tried again.
//!
//! Nothing here asks whether an alert is there already: an event that is known does not come so far, for the
//! inbox keeps it out. The table would refuse it.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::products::{ProductId, store::PriceChange};

/// Gives the lines of these products their present prices, and each cart an alert for each of the changes that came
/// after its line was put in; returns how many alerts that were.
///
/// A change that comes late, after a newer one, raises its alert and leaves the newer price where it is.
pub async fn reprice_carts(
    tx: &mut PgConnection,
    source: &str,
    changes: &[PriceChange],
) -> Result<u64, sqlx::Error> {
    if changes.is_empty() {
        return Ok(0);
    }
    // `count(*) from newer_cart` has all carts changed, and so locked, before the first line is.
    let raised = sqlx::query(
        "with change as (
             select *
             from unnest($1::uuid[], $2::bigint[], $3::text[], $4::numeric[], $5::numeric[], $6::bigint[], $7::bigint[],
                         $9::text[])
                  with ordinality as change (event_id, product_id, product_name, old_price, new_price,
                                             generation, version, traceparent, position)
         ), newest as (
             select distinct on (product_id) product_id, generation, version
             from change order by product_id, generation desc, version desc
         ), newer_cart as (
             update cart set version = version + 1, updated_at = now()
             from (select distinct buyer_id from newest join cart_line using (product_id)
                   where added_source <> $8 or (added_generation, added_version) < (generation, newest.version)
                   order by buyer_id) as holder
             where cart.buyer_id = holder.buyer_id
             returning cart.buyer_id
         ), repriced as (
             update cart_line as line set unit_price = product.price
             from newest join product on product.product_id = newest.product_id
             where line.product_id = newest.product_id and (select count(*) from newer_cart) > 0
               and (line.added_source <> $8
                    or (line.added_generation, line.added_version) < (newest.generation, newest.version))
             returning line.buyer_id, line.product_id, line.added_source, line.added_generation, line.added_version
         )
         insert into alert (buyer_id, event_id, kind, product_id, product_name, old_price, new_price, traceparent)
         select repriced.buyer_id, change.event_id, 'price_changed', change.product_id,
                change.product_name, change.old_price, change.new_price, change.traceparent
         from repriced join change on change.product_id = repriced.product_id
          and (repriced.added_source <> $8
               or (change.generation, change.version) > (repriced.added_generation, repriced.added_version))
         order by change.position, repriced.buyer_id",
    )
    .bind(changes.iter().map(|change| change.event_id).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.product_id).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.product_name.clone()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.old_price).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.new_price).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.generation).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.version).collect::<Vec<_>>())
    .bind(source)
    .bind(changes.iter().map(|change| change.traceparent.clone()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(raised.rows_affected())
}

/// Gives each cart that holds one of these products an alert that it is not sold any more; returns how
/// many alerts that were. The lines stay, for the buyer to see.
pub async fn products_removed(
    tx: &mut PgConnection,
    removals: &[(Uuid, ProductId)],
) -> Result<u64, sqlx::Error> {
    if removals.is_empty() {
        return Ok(0);
    }
    let raised = sqlx::query(
        "with removal as (
             select * from unnest($1::uuid[], $2::bigint[]) as removal (event_id, product_id)
         ), newer_cart as (
             update cart set version = version + 1, updated_at = now()
             from (select distinct buyer_id from removal join cart_line using (product_id)
                   order by buyer_id) as holder
             where cart.buyer_id = holder.buyer_id
             returning cart.buyer_id
         ), held as (
             select line.buyer_id, line.product_id, line.unit_price, removal.event_id
             from removal join cart_line as line on line.product_id = removal.product_id
             where (select count(*) from newer_cart) > 0
             for update of line
         )
         insert into alert (buyer_id, event_id, kind, product_id, product_name, old_price)
         select held.buyer_id, held.event_id, 'product_removed', held.product_id, product.name,
                held.unit_price
         from held join product on product.product_id = held.product_id
         order by held.product_id, held.buyer_id",
    )
    .bind(removals.iter().map(|(event_id, _)| *event_id).collect::<Vec<_>>())
    .bind(removals.iter().map(|(_, product_id)| *product_id).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(raised.rows_affected())
}

/// Counts alerts that were written. A batch that is rolled back and tried again counts twice.
pub fn count(kind: &'static str, alerts: u64) {
    metrics::counter!("alerts_raised_total", "kind" => kind).increment(alerts);
}
