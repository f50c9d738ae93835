//! One price change over 1 to 100,000 carts; a product in no cart beside a million other lines.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use harness::{Name, until};
use uuid::Uuid;

use crate::cli::Cli;
use crate::environment::{Client, Environment, FIRST, PRODUCTS, header};
use crate::figures::{Figure, Row, Target};
use crate::machine::Meter;

/// A statement of the subscriber may take five minutes.
const LIMIT: Duration = Duration::from_mins(6);

/// How many carts a change is to get through to all the same.
const VERY_WIDE: i64 = 500_000;

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    let rows = bystanders(environment, cli).await?;
    let widest = cli.scaled(100_000);
    let sizes: Vec<i64> = [1, 100, 10_000, 100_000].into_iter().filter(|size| *size <= widest).collect();
    fill(environment, &sizes).await?;
    environment.clear_log().await?;
    environment.run_only(&[Name::CATALOG, Name::BASKET, Name::RELAY]).await?;
    let meter = Meter::start();
    let mut measured = Vec::new();
    for (place, carts) in sizes.iter().enumerate() {
        let product = FIRST + place as i64;
        let (mut ours, mut ceiling) = (Vec::new(), Vec::new());
        for round in 0..=cli.rounds() {
            environment.interrupt.check()?;
            sqlx::raw_sql("truncate alert").execute(&environment.basket).await?;
            sqlx::raw_sql("vacuum cart, cart_line, alert").execute(&environment.basket).await?;
            let own = through_the_service(environment, product).await?;
            sqlx::raw_sql("vacuum cart, cart_line, alert").execute(&environment.basket).await?;
            let bare = bare(environment, product, round).await?;
            // The first is a warm-up.
            if round > 0 {
                ours.push(own);
                ceiling.push(bare);
            }
        }
        measured.push((*carts, ours, ceiling));
    }
    let foreign = meter.foreign();
    let growth = measured
        .iter()
        .map(|(carts, ours, _)| (format!("{carts} carts"), Figure::of(ours).median))
        .collect::<Vec<_>>();
    let (carts, ours, ceiling) = measured.last().context("no size was measured")?;
    let name = format!("one price change over {carts} carts");
    let row = Row::against(name, "ms", (ours, ceiling), "bare statements", Target::AtMost(1.3), foreign);
    let very_wide = very_wide(environment, cli).await?;
    Ok([row.grown(growth)].into_iter().chain(rows).chain([very_wide]).collect())
}

/// A change that reaches very many carts: it gets through, in its time.
async fn very_wide(environment: &Environment, cli: &Cli) -> Result<Row> {
    let (carts, product) = (cli.scaled(VERY_WIDE), FIRST + PRODUCTS / 2);
    add_carts(environment, carts).await?;
    add_lines(environment, product, carts).await?;
    sqlx::raw_sql("vacuum analyze cart, cart_line").execute(&environment.basket).await?;
    let meter = Meter::start();
    let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let id = change(environment, product).await?;
    let committed = "select extract(epoch from pg_xact_commit_timestamp(xmin))::float8
                       from alert where event_id = $1 limit 1";
    let took = answer(environment, committed, id).await? - begun;
    let alerts: i64 = sqlx::query_scalar("select count(*) from alert where event_id = $1")
        .bind(id)
        .fetch_one(&environment.basket)
        .await?;
    ensure!(alerts == carts, "{alerts} of {carts} carts got their alert");
    let name = format!("request → {carts} carts and alerts");
    Ok(Row::alone(name, "s", &[took], Target::AtMost(120.0), meter.foreign()))
}

async fn add_carts(environment: &Environment, count: i64) -> Result<()> {
    sqlx::query("insert into cart (buyer_id) select 'buyer-' || n from generate_series(0, $1 - 1) as n on conflict do nothing")
        .bind(count)
        .execute(&environment.basket)
        .await?;
    Ok(())
}

/// The n-th product lies in `sizes[n]` carts.
async fn fill(environment: &Environment, sizes: &[i64]) -> Result<()> {
    environment.reset_carts(0).await?;
    let most = sizes.iter().max().copied().unwrap_or_default();
    add_carts(environment, most).await?;
    for (place, carts) in sizes.iter().enumerate() {
        add_lines(environment, FIRST + place as i64, *carts).await?;
    }
    sqlx::raw_sql("vacuum analyze").execute(&environment.basket).await?;
    Ok(())
}

async fn add_lines(environment: &Environment, product: i64, carts: i64) -> Result<()> {
    sqlx::query(
        "insert into cart_line (buyer_id, product_id, quantity, unit_price, accepted_price)
         select 'buyer-' || n, $1, 1, 10.00, 10.00 from generate_series(0, $2 - 1) as n",
    )
    .bind(product)
    .bind(carts)
    .execute(&environment.basket)
    .await?;
    Ok(())
}

/// Changes the price over HTTP; returns how long the consumer's transaction lasted, in ms: an alert bears
/// when its transaction began, and PostgreSQL knows when it was committed.
async fn through_the_service(environment: &Environment, product: i64) -> Result<f64> {
    let id = change(environment, product).await?;
    let lasted = "select extract(epoch from pg_xact_commit_timestamp(xmin) - created_at)::float8 * 1000
                    from alert where event_id = $1 limit 1";
    answer(environment, lasted, id).await
}

/// The same effect by nothing but the statements; returns how long they took, in ms.
async fn bare(environment: &Environment, product: i64, round: usize) -> Result<f64> {
    let price = format!("{}.50", 20 + round);
    let mut connection = environment.basket.acquire().await?;
    sqlx::raw_sql("set enable_seqscan = off; set jit = off").execute(&mut *connection).await?;
    let begun = Instant::now();
    sqlx::query("begin").execute(&mut *connection).await?;
    for statement in [
        "update product set price = $2::text::numeric where product_id = $1",
        "update cart set version = version + 1, updated_at = now()
          where $2::text is not null and buyer_id in (select buyer_id from cart_line where product_id = $1)",
        "update cart_line set unit_price = $2::text::numeric where product_id = $1",
    ] {
        sqlx::query(statement).bind(product).bind(&price).execute(&mut *connection).await?;
    }
    sqlx::query(
        "insert into alert (buyer_id, event_id, kind, product_id, product_name, old_price, new_price)
         select buyer_id, $3, 'price_changed', product_id, 'Product', 10.00, $2::text::numeric
           from cart_line where product_id = $1",
    )
    .bind(product)
    .bind(&price)
    .bind(Uuid::now_v7())
    .execute(&mut *connection)
    .await?;
    sqlx::query("commit").execute(&mut *connection).await?;
    let lasted = begun.elapsed().as_secs_f64() * 1_000.0;
    sqlx::raw_sql("reset enable_seqscan; reset jit").execute(&mut *connection).await?;
    Ok(lasted)
}

/// A product that lies in no cart: with no lines at all before and after, and with a million of others in between.
async fn bystanders(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    environment.clear_log().await?;
    environment.reset_carts(0).await?;
    environment.run_only(&[Name::CATALOG, Name::BASKET, Name::RELAY]).await?;
    let meter = Meter::start();
    let mut none = unnoticed_rounds(environment, cli).await?;
    let lines = cli.scaled(1_000_000);
    add_carts(environment, lines / 10).await?;
    for place in 0..10 {
        add_lines(environment, FIRST + place, lines / 10).await?;
    }
    // Or what is measured is how the lines get to the disk.
    sqlx::raw_sql("vacuum analyze").execute(&environment.basket).await?;
    sqlx::raw_sql("checkpoint").execute(&environment.basket).await?;
    let many = unnoticed_rounds(environment, cli).await?;
    environment.reset_carts(0).await?;
    none.extend(unnoticed_rounds(environment, cli).await?);
    let name = format!("a product in no cart, with {lines} other lines");
    let (figures, most) = ((many.as_slice(), none.as_slice()), Target::AtMost(1.1));
    Ok(vec![Row::against(name, "ms", figures, "with none", most, meter.foreign())])
}

async fn unnoticed_rounds(environment: &Environment, cli: &Cli) -> Result<Vec<f64>> {
    let product = FIRST + PRODUCTS - 1;
    // A warm-up.
    unnoticed(environment, product, 50).await?;
    let mut rounds = Vec::new();
    for _ in 0..cli.rounds() {
        environment.interrupt.check()?;
        rounds.push(unnoticed(environment, product, 50).await?);
    }
    Ok(rounds)
}

/// Changes the price so often, one at a time; returns the median of how long the consumer took from its
/// inbox row to its commit, in ms.
async fn unnoticed(environment: &Environment, product: i64, times: usize) -> Result<f64> {
    let mut lasted = Vec::with_capacity(times);
    for _ in 0..times {
        let id = change(environment, product).await?;
        let question =
            "select extract(epoch from pg_xact_commit_timestamp(xmin) - received_at)::float8 * 1000
                          from inbox where event_id = $1";
        lasted.push(answer(environment, question, id).await?);
    }
    Ok(Figure::of(&lasted).median)
}

async fn change(environment: &Environment, product: i64) -> Result<Uuid> {
    let mut client = Client::connect(environment.port(Name::CATALOG)?).await?;
    let n = usize::try_from(product - FIRST)?;
    let head = client.call(&super::writes::change_price(&environment.token, n)).await?;
    Ok(header(&head, "event-id").context("no event")?.parse()?)
}

/// Asks again and again about this event, until there is an answer.
async fn answer(environment: &Environment, question: &'static str, event_id: Uuid) -> Result<f64> {
    let ask = async || {
        let asked = sqlx::query_scalar::<_, f64>(question).bind(event_id);
        Ok(asked.fetch_optional(&environment.basket).await?)
    };
    until(LIMIT, Duration::from_millis(3), ask).await?.context("the event had no effect")
}
