//! The statements behind a buyer's own changes to their basket.
//!
//! Lock order: the product's row, then the cart's, then lines. See `migrations/*_create_cart.sql`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use service_kit::database;
use service_kit::etag::IfMatch;
use service_kit::loader::Loader;
use service_kit::retry::retried;
use sqlx::{FromRow, PgConnection, PgPool, Row};

use super::BuyerId;
use super::model::{Basket, BasketItem, MAX_LINES, Quantity};
use crate::products::{self, ProductId, store::Offer};

/// Reads the baskets of buyers who look at the same time.
pub type Baskets = Loader<BuyerId, Basket>;

/// A loader of baskets.
pub fn baskets(pool: PgPool) -> Baskets {
    Loader::new(move |buyers: Vec<BuyerId>| {
        let pool = pool.clone();
        async move { retried(|| async { find_all(&mut *pool.acquire().await?, &buyers).await }).await }
    })
}

/// What became of the wish to have a product in the cart.
#[derive(Debug)]
pub enum Put {
    /// It is in the cart, in that quantity.
    Done(Basket),
    /// The product is not known here (or not all of it); the catalog may know it.
    UnknownProduct,
    /// The catalog does not sell it any more.
    RemovedProduct,
    /// The cart already holds as many products as it may.
    Full,
    /// The caller meant another version of the basket than the present one, which is this.
    Stale(i64),
}

/// What became of the wish to take something out of the cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is not in the cart any more (perhaps it never was).
    Done,
    /// The caller meant another version of the basket than the present one, which is this.
    Stale(i64),
}

/// Reads a buyer's basket; an empty one where there is none.
pub async fn find(connection: &mut PgConnection, buyer: &BuyerId) -> Result<Basket, sqlx::Error> {
    let found = find_all(connection, std::slice::from_ref(buyer)).await?.remove(buyer);
    Ok(found.unwrap_or_else(|| Basket::empty(buyer.clone())))
}

/// Reads the baskets of those of these buyers who have one.
pub async fn find_all(
    connection: &mut PgConnection,
    buyers: &[BuyerId],
) -> Result<HashMap<BuyerId, Basket>, sqlx::Error> {
    let rows = sqlx::query(
        // `offset 0` keeps the look at one cart together: each by its keys, also where tables are small enough for
        // reading them whole to seem cheaper.
        "select basket.*
         from unnest((select $1::text[])) as asked (buyer_id)
         cross join lateral (
            select cart.buyer_id, cart.version, line.product_id, product.name as product_name, line.unit_price,
                   nullif(line.accepted_price, line.unit_price) as old_unit_price, line.quantity,
                   product.picture_url, product.available, line.added_at
            from cart
            left join cart_line as line on line.buyer_id = cart.buyer_id
            left join product on product.product_id = line.product_id
            where cart.buyer_id = asked.buyer_id
            offset 0
         ) as basket
         order by basket.added_at, basket.product_id",
    )
    .bind(buyers)
    .fetch_all(connection)
    .await?;
    let mut found: HashMap<BuyerId, (Vec<BasketItem>, i64)> = HashMap::with_capacity(buyers.len());
    for row in &rows {
        let (items, version) = found.entry(row.try_get("buyer_id")?).or_default();
        *version = row.try_get("version")?;
        // An empty cart is one row without a product.
        if row.try_get::<Option<ProductId>, _>("product_id")?.is_some() {
            items.push(BasketItem::from_row(row)?);
        }
    }
    let basket =
        |(buyer, (items, version)): (BuyerId, _)| (buyer.clone(), Basket::new(buyer, items, version));
    Ok(found.into_iter().map(basket).collect())
}

/// Puts a product into the cart at its present price, or changes how many pieces of it are in there.
///
/// The quantity of a product that is in the cart already changes nothing about the price that the buyer
/// accepted. Asking for what is already so changes nothing at all.
pub async fn put_item(
    pool: &PgPool,
    buyer: &BuyerId,
    product: ProductId,
    quantity: Quantity,
    if_match: &IfMatch,
) -> Result<Put, sqlx::Error> {
    retried(|| async {
        let mut tx = database::begin(pool).await?;
        // Before the cart: a price change either waits for this transaction and then finds the line,
        // or has been waited for here and its price is read.
        let (price, origin) = match products::store::lock_offer(&mut tx, product).await? {
            Offer::OnSale(price, origin) => (price, origin),
            Offer::Removed => return Ok(Put::RemovedProduct),
            Offer::Unknown => return Ok(Put::UnknownProduct),
        };
        let at = lock_or_open(&mut tx, buyer).await?;
        if !if_match.allows(at) {
            return Ok(Put::Stale(at));
        }
        let changed = sqlx::query(
            "insert into cart_line as line (buyer_id, product_id, quantity, unit_price, accepted_price,
                                            added_source, added_generation, added_version)
             values ($1, $2, $3, $4, $4, $5, $6, $7)
             on conflict (buyer_id, product_id) do update set quantity = excluded.quantity
             where line.quantity <> excluded.quantity",
        )
        .bind(buyer)
        .bind(product)
        .bind(quantity)
        .bind(price)
        .bind(&origin.price_source)
        .bind(origin.price_generation)
        .bind(origin.price_version)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if changed > 0 {
            raise_version(&mut tx, buyer).await?;
        }
        let basket = find(&mut tx, buyer).await?;
        if i64::try_from(basket.items.len()).is_ok_and(|lines| lines > MAX_LINES) {
            return Ok(Put::Full);
        }
        tx.commit().await?;
        Ok(Put::Done(basket))
    })
    .await
}

/// Takes one product out of the cart, or everything. The buyer's alerts stay: they are history.
pub async fn delete(
    pool: &PgPool,
    buyer: &BuyerId,
    product: Option<ProductId>,
    if_match: &IfMatch,
) -> Result<Taken, sqlx::Error> {
    retried(|| async {
        let mut tx = database::begin(pool).await?;
        let version = lock(&mut tx, buyer).await?.unwrap_or(0);
        if !if_match.allows(version) {
            return Ok(Taken::Stale(version));
        }
        let deleted = sqlx::query(
            "delete from cart_line where buyer_id = $1 and product_id = coalesce($2, product_id)",
        )
        .bind(buyer)
        .bind(product)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if deleted > 0 {
            raise_version(&mut tx, buyer).await?;
        }
        tx.commit().await?;
        Ok(Taken::Done)
    })
    .await
}

/// Takes what the buyer ordered out of their cart: at most what is there, and nothing of a line that was put in after
/// the order was placed.
pub async fn take_out(
    tx: &mut PgConnection,
    buyer: &BuyerId,
    ordered: &[(ProductId, Quantity)],
    placed_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if lock(tx, buyer).await?.is_none() {
        return Ok(());
    }
    // A line holds one piece at least, so a line that loses all of its pieces goes.
    let taken = sqlx::query(
        "with ordered as (
             select product_id, sum(quantity) as quantity
               from unnest($2::bigint[], $3::smallint[]) as item (product_id, quantity) group by product_id
         ), gone as (
             delete from cart_line as line using ordered
              where line.buyer_id = $1 and line.product_id = ordered.product_id and line.added_at <= $4
                and line.quantity <= ordered.quantity
             returning line.product_id
         ), left_over as (
             update cart_line as line set quantity = line.quantity - ordered.quantity from ordered
              where line.buyer_id = $1 and line.product_id = ordered.product_id and line.added_at <= $4
                and line.quantity > ordered.quantity
             returning line.product_id
         )
         select product_id from gone union all select product_id from left_over",
    )
    .bind(buyer)
    .bind(ordered.iter().map(|(product, _)| *product).collect::<Vec<_>>())
    .bind(ordered.iter().map(|(_, quantity)| *quantity).collect::<Vec<_>>())
    .bind(placed_at)
    .fetch_all(&mut *tx)
    .await?;
    if !taken.is_empty() {
        raise_version(tx, buyer).await?;
    }
    Ok(())
}

/// Locks the buyer's cart until the transaction ends and returns its version; `None` without a cart.
pub async fn lock(tx: &mut PgConnection, buyer: &BuyerId) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("select version from cart where buyer_id = $1 for update")
        .bind(buyer)
        .fetch_optional(tx)
        .await
}

async fn lock_or_open(tx: &mut PgConnection, buyer: &BuyerId) -> Result<i64, sqlx::Error> {
    if let Some(version) = lock(tx, buyer).await? {
        return Ok(version);
    }
    sqlx::query("insert into cart (buyer_id) values ($1) on conflict (buyer_id) do nothing")
        .bind(buyer)
        .execute(&mut *tx)
        .await?;
    // Someone else may have been faster, so the row that is there now is locked and read, whosever it is.
    Ok(lock(tx, buyer).await?.unwrap_or(0))
}

/// Notes that what the buyer sees has changed.
pub async fn raise_version(tx: &mut PgConnection, buyer: &BuyerId) -> Result<(), sqlx::Error> {
    sqlx::query("update cart set version = version + 1, updated_at = now() where buyer_id = $1")
        .bind(buyer)
        .execute(tx)
        .await?;
    Ok(())
}

/// Gives each cart that holds one of these products a new version: what it shows of them has changed.
pub async fn raise_versions(tx: &mut PgConnection, products: &[ProductId]) -> Result<(), sqlx::Error> {
    if products.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update cart set version = version + 1, updated_at = now()
         from (select distinct buyer_id from unnest($1::bigint[]) as touched (product_id)
               join cart_line using (product_id) order by buyer_id) as holder
         where cart.buyer_id = holder.buyer_id",
    )
    .bind(products)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes a buyer's cart and all that they were told of it.
pub async fn erase(tx: &mut PgConnection, buyer: &BuyerId) -> Result<(), sqlx::Error> {
    sqlx::query("select erase_cart($1)").bind(buyer).execute(tx).await?;
    Ok(())
}
