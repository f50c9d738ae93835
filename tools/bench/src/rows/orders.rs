//! From the checkout to `paid`: at 50 orders a second, and as fast as it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::{Name, token::token};
use uuid::Uuid;

use super::committed::{self, CLIENTS};
use super::{latencies, paced, rounds, warm_up};
use crate::ceiling::BareOrders;
use crate::cli::Cli;
use crate::environment::{Client, Environment, FIRST, Load, PRODUCTS, answers, bearer, header, repeat};
use crate::figures::{Row, Target};
use crate::machine::mebibytes;

/// How long the last orders may take.
const LIMIT: Duration = Duration::from_mins(2);

/// Orders a second where the time of each is measured.
const RATE: u32 = 50;

/// Orders on their way at once in the bare loop.
const BARE: usize = 64;

const SERVICES: [Name; 5] = [Name::CATALOG, Name::ORDERING, Name::PAYMENT, Name::SANDBOX, Name::RELAY];

/// Buyers, each with a token.
const BUYERS: usize = 500;

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.settings.push((Name::ORDERING, "APP__ORDERS__GRACE_PERIOD_S", "0"));
    environment.run_only(&SERVICES).await?;
    offer(environment).await?;
    let tokens = (0..BUYERS).map(|n| token(&format!("bench-buyer-{n}"), ""));
    let tokens: Arc<Vec<String>> = Arc::new(tokens.collect::<Result<_>>()?);
    let bare = Arc::new(BareOrders::start(environment).await?);
    let time = Duration::from_secs(cli.seconds());
    let environment: &Environment = environment;
    warm_up(async || at_a_rate(environment, &tokens, time / 2).await).await?;
    bare_at_a_rate(&bare, time / 2).await?;
    let ours = async || at_a_rate(environment, &tokens, time).await;
    let ceiling = async || bare_at_a_rate(&bare, time).await;
    let name = format!("checkout → paid at {RATE}/s");
    let mut rows = latencies(environment, cli, &name, [2.0, 3.0], ours, ceiling).await?.to_vec();

    let ours = async || sustained(environment, &tokens, time).await;
    let (ours, ceiling, foreign) =
        rounds(environment, cli, ours, async || bare_sustained(&bare, time).await).await?;
    let (figures, least) = ((ours.as_slice(), ceiling.as_slice()), Target::AtLeast(0.5));
    rows.push(Row::against(
        "highest rate, checkout → paid",
        "orders/s",
        figures,
        "bare loop",
        least,
        foreign,
    ));
    for service in [Name::ORDERING, Name::PAYMENT] {
        let mib = mebibytes(environment.pid(service)?);
        let name = format!("memory of {service} after these orders");
        rows.push(Row::alone(name, "MiB", &[mib], Target::AtMost(64.0), foreign));
    }
    Ok(rows)
}

/// Has ordering know the products, and the catalog have enough of them.
async fn offer(environment: &Environment) -> Result<()> {
    sqlx::query(
        "insert into product (product_id, name, picture_url, details_version, price, price_version)
         select id, 'Product ' || id, '/api/v1/catalog/items/' || id || '/pic', 1, 10.00, 1
           from generate_series($1::bigint, $1 + $2 - 1) as id on conflict do nothing",
    )
    .bind(FIRST)
    .bind(PRODUCTS)
    .execute(&environment.ordering)
    .await?;
    let stock = "update product set available_stock = 1000000 where product_id >= $1";
    sqlx::query(stock).bind(FIRST).execute(&environment.catalog).await?;
    Ok(())
}

fn checkout(token: &str, n: usize) -> String {
    let body = format!(
        r#"{{"items":[{{"productId":{},"quantity":1}}],"payment":{{"token":"tok_ok"}},"expectedTotal":"10.00","address":{{"name":"Kim","street":"Mill Road 1","postcode":"12345","city":"Moor","country":"IE"}}}}"#,
        FIRST + n as i64 % PRODUCTS
    );
    let headers = format!("{}idempotency-key: {}\r\n", bearer(token), Uuid::now_v7());
    Client::request("POST", "/api/v1/orders", &headers, &body)
}

fn order_of(head: &str) -> Result<Uuid> {
    let location = header(head, "location").context("an answer without a location")?;
    Ok(location.rsplit('/').next().unwrap_or_default().trim().parse()?)
}

/// Places orders and returns how long it took each until `paid` was committed, in ms.
async fn at_a_rate(environment: &Environment, tokens: &[String], time: Duration) -> Result<Vec<f64>> {
    let port = environment.port(Name::ORDERING)?;
    let request = |n: usize| checkout(&tokens[n % BUYERS], n);
    let sent = committed::sent(port, RATE, time, request, order_of).await?;
    let paid = "select order_id, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 from order_change
                 where status = 'paid' and order_id = any($1)";
    committed::latencies(&sent, &environment.ordering, paid, LIMIT).await
}

async fn bare_at_a_rate(bare: &Arc<BareOrders>, time: Duration) -> Result<Vec<f64>> {
    paced(RATE, time, |n| {
        let bare = Arc::clone(bare);
        async move { bare.order(n).await }
    })
    .await
}

/// Orders as fast as it goes for this time; returns orders a second, until the last was paid.
async fn sustained(environment: &Environment, tokens: &Arc<Vec<String>>, time: Duration) -> Result<f64> {
    let (port, tokens) = (environment.port(Name::ORDERING)?, Arc::clone(tokens));
    let next = move |n: usize| checkout(&tokens[n % BUYERS], n);
    let orders = answers(port, Load { clients: CLIENTS, time }, next);
    let paid = "select count(*) from order_change where status = 'paid'";
    committed::rate(orders, &environment.ordering, paid, LIMIT).await
}

async fn bare_sustained(bare: &Arc<BareOrders>, time: Duration) -> Result<f64> {
    let begun = Instant::now();
    let order = |bare: Arc<BareOrders>, n| async move { bare.order(n).await.map(|_| bare) };
    let total = repeat(time, vec![Arc::clone(bare); BARE], order).await?;
    Ok(total as f64 / begun.elapsed().as_secs_f64())
}
