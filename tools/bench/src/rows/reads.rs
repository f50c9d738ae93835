//! A page, a product and a cart over HTTP, against pgbench with the same statement.

use std::time::Duration;

use anyhow::Result;
use harness::{Name, token::token};

use super::{rounds, warm_up};
use crate::ceiling::pgbench;
use crate::cli::Cli;
use crate::environment::{CARTS, Client, Environment, FIRST, Load, PRODUCTS, bearer, closed_loop};
use crate::figures::{Row, Target};

const PAGE: &str = "\\set page random(0, 99)
with page as (
    select product_id, name, description, price, product_type_id, product_brand_id,
           available_stock, restock_threshold, max_stock_threshold, version
      from product where true order by product_id limit 10 offset :page * 10
) select total.count, page.* from (select count(*) from product where true) as total left join page on true
  order by product_id;
";

const PRODUCT: &str = "\\set id random(10001, 11000)
select product_id, name, description, price, product_type_id, product_brand_id,
       available_stock, restock_threshold, max_stock_threshold, version
  from product where product_id = :id;
";

const CART: &str = "\\set n random(0, 999)
select cart.version, line.product_id, product.name as product_name, line.unit_price,
       nullif(line.accepted_price, line.unit_price) as old_unit_price, line.quantity,
       product.picture_url, product.available
  from cart
  left join cart_line as line on line.buyer_id = cart.buyer_id
  left join product on product.product_id = line.product_id
 where cart.buyer_id = 'buyer-' || :n
 order by line.added_at, line.product_id;
";

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.reset_carts(3).await?;
    environment.run_only(&[Name::CATALOG, Name::BASKET]).await?;
    let buyers = (0..CARTS).map(|n| Ok(bearer(&token(&format!("buyer-{n}"), "")?)));
    let buyers = buyers.collect::<Result<Vec<_>>>()?;
    let page = |n: usize| get(&format!("/api/v1/catalog/items?pageIndex={}&pageSize=10", n % 100), "");
    let product = |n: usize| get(&format!("/api/v1/catalog/items/{}", FIRST + n as i64 % PRODUCTS), "");
    let cart = move |n: usize| {
        let n = n % buyers.len();
        get(&format!("/api/v1/basket/buyer-{n}"), &buyers[n])
    };
    let catalog = (Name::CATALOG, "catalog");
    Ok(vec![
        row(environment, cli, ("catalog page of 10 of 1,100", 0.5), catalog, PAGE, page).await?,
        row(environment, cli, ("one product", 0.4), catalog, PRODUCT, product).await?,
        row(environment, cli, ("a cart with 3 lines", 0.4), (Name::BASKET, "basket"), CART, cart).await?,
    ])
}

async fn row(
    environment: &Environment,
    cli: &Cli,
    (name, floor): (&str, f64),
    (service, database): (Name, &str),
    script: &str,
    next: impl Fn(usize) -> String + Clone + Send + 'static,
) -> Result<Row> {
    let load = Load { clients: 16, time: Duration::from_secs(cli.seconds().min(2)) };
    let port = environment.port(service)?;
    warm_up(async || closed_loop(port, load, next.clone()).await).await?;
    let ours = async || closed_loop(port, load, next.clone()).await;
    let ceiling = async || pgbench(environment, database, load, script).await;
    let (ours, ceiling, foreign) = rounds(environment, cli, ours, ceiling).await?;
    Ok(Row::against(
        name,
        "requests/s",
        (&ours, &ceiling),
        "pgbench, same statement",
        Target::AtLeast(floor),
        foreign,
    ))
}

fn get(path: &str, headers: &str) -> String {
    Client::request("GET", path, headers, "")
}
