//! The first products of a new shop: 101 products of 8 types and 13 brands, all made up.

use anyhow::Context;
use event_bus::TraceContext;
use sqlx::{PgConnection, PgPool};

use crate::products::{Description, Details, Name, Product, ProductId, Stock, store};

/// The types, from id 1.
const TYPES: [&str; 8] =
    ["Tents", "Backpacks", "Footwear", "Jackets", "Lamps", "Stoves", "Climbing", "Paddling"];

/// The brands, from id 1.
const BRANDS: [&str; 13] = [
    "Larkfell",
    "Moorhen",
    "Gritgate",
    "Tidewrack",
    "Hoarbeck",
    "Emberline",
    "Quillmoor",
    "Saltfern",
    "Otterholt",
    "Brackenby",
    "Skylode",
    "Pinemarch",
    "Windrush & Daughters",
];

/// Type, brand, price, stock, name and description of each product, with tabs between; from id 1.
const PRODUCTS: &str = include_str!("products.tsv");

/// Stock at which more pieces are ordered.
const RESTOCK_THRESHOLD: i64 = 10;
/// Pieces that the warehouse can hold.
const MAX_STOCK: i64 = 200;

/// Fills an empty catalog, and appends an event for every product. Returns the number of new products:
/// 0 if the catalog was seeded before.
///
/// It is one transaction, under a lock. Of two concurrent seeds one fills the catalog; a killed seed can be
/// started again.
pub async fn run(pool: &PgPool) -> anyhow::Result<usize> {
    let mut tx = pool.begin().await?;
    sqlx::query("lock table product_type in share row exclusive mode").execute(&mut *tx).await?;
    let is_seeded: bool =
        sqlx::query_scalar("select exists (select from product_type)").fetch_one(&mut *tx).await?;
    if is_seeded {
        return Ok(0);
    }
    add_classification(&mut tx).await?;
    let mut last = 0;
    for (line, id) in PRODUCTS.lines().zip(1_i64..) {
        let details = read(line).with_context(|| format!("product {id} of the seed"))?;
        let product = Product::new(ProductId::try_from(id)?, &details);
        store::insert(&mut tx, product, &TraceContext::default()).await?;
        last = id;
    }
    // The next product gets the next id.
    sqlx::query("select setval('product_product_id_seq', $1)").bind(last).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(usize::try_from(last)?)
}

async fn add_classification(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (table, names) in [
        (
            "insert into product_type (product_type_id, name)
             select id, name from unnest($1::text[]) with ordinality as new (name, id)",
            TYPES.as_slice(),
        ),
        (
            "insert into product_brand (product_brand_id, name)
             select id, name from unnest($1::text[]) with ordinality as new (name, id)",
            BRANDS.as_slice(),
        ),
    ] {
        sqlx::query(table).bind(names).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Reads a line of the products.
fn read(line: &str) -> anyhow::Result<Details> {
    let mut parts = line.split('\t');
    let mut next = |what: &'static str| parts.next().context(what);
    Ok(Details {
        type_id: next("no type")?.parse()?,
        brand_id: next("no brand")?.parse()?,
        price: next("no price")?.parse::<rust_decimal::Decimal>()?.try_into()?,
        available_stock: next("no stock")?.parse()?,
        restock_threshold: Stock::try_from(RESTOCK_THRESHOLD)?,
        max_stock_threshold: Some(Stock::try_from(MAX_STOCK)?),
        name: Name::try_from(next("no name")?.to_owned())?,
        description: Description::try_from(next("no description")?.to_owned())?,
    })
}
