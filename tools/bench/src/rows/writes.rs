//! Price changes over HTTP, against pgbench with the same statements in the same transaction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use harness::Name;

use super::{rounds, warm_up};
use crate::ceiling::pgbench;
use crate::cli::Cli;
use crate::environment::{Client, Environment, FIRST, Load, PRODUCTS, bearer, closed_loop};
use crate::figures::{Row, Target};

/// The statements of a price change, in one transaction as the route has them. Texts stay as they are in the row:
/// pgbench cannot quote them.
const SCRIPT: &str = "\\set id random(10001, 11000)
\\set cents random(100, 9999)
begin;
select product_id, name, description, price, product_type_id, product_brand_id,
       available_stock, restock_threshold, max_stock_threshold, version
  from product where product_id = :id for update \\gset
update product
   set version = :version + 1, name = name, description = description, price = :cents / 100.0,
       product_type_id = :product_type_id, product_brand_id = :product_brand_id,
       available_stock = :available_stock, restock_threshold = :restock_threshold,
       max_stock_threshold = :max_stock_threshold
 where product_id = :id;
insert into integration_event_log (event_id, event_type, key, key_version, partition, payload, headers)
values (gen_random_uuid(), 'bench.catalog.price_changed.v1', :id, :version + 1, :id % 64,
        ('{\"productId\":' || :id || ',\"padding\":\"' || repeat('x', 150) || '\"}')::json, '{}'::json);
commit;
";

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.run_only(&[Name::CATALOG]).await?;
    let port = environment.port(Name::CATALOG)?;
    let mut rows = Vec::new();
    for clients in [16, 32] {
        let load = Load { clients, time: Duration::from_secs(cli.seconds()) };
        let token = environment.token.clone();
        let next = move |n| change_price(&token, n);
        warm_up(async || closed_loop(port, load, next.clone()).await).await?;
        let ours = async || closed_loop(port, load, next.clone()).await;
        let ceiling = async || {
            let rate = pgbench(environment, "catalog", load, SCRIPT).await?;
            environment.clear_log().await?;
            Ok(rate)
        };
        let (ours, ceiling, foreign) = rounds(environment, cli, ours, ceiling).await?;
        rows.push(Row::against(
            format!("price changes over HTTP, {clients} clients"),
            "requests/s",
            (&ours, &ceiling),
            "pgbench, same statements",
            Target::AtLeast(0.6),
            foreign,
        ));
    }
    Ok(rows)
}

/// What the next price is made of: no two that follow each other for a product are the same, or there would be no
/// event to wait for.
static CENTS: AtomicU64 = AtomicU64::new(0);

/// The n-th change: another price than the product has.
pub(super) fn change_price(token: &str, n: usize) -> String {
    let id = FIRST + n as i64 % PRODUCTS;
    let cents = CENTS.fetch_add(1, Ordering::Relaxed) % 900_000 + 100_000;
    let body = format!("{{\"price\":\"{}.{:02}\"}}", cents / 100, cents % 100);
    Client::request("PUT", &format!("/api/v1/catalog/items/{id}/price"), &bearer(token), &body)
}
