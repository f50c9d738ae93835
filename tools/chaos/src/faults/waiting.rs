//! Handlers that fail: for a while, and for good until an operator decides.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use crate::workload::PRODUCTS;
use harness::{Name, token::token, until};

/// How long failures may take to show.
const LIMIT: Duration = Duration::from_secs(30);

/// How long an event of another key may take.
const FLOWS: Duration = Duration::from_secs(5);

const ONE: Name = Name::BASKET;

pub(super) const FAULTS: &[Fault] = faults! {
    consumer: "handler-fails" [1, 1]
        "one product's alerts cannot be written, and one per cent of all for a while" => failing;
    consumer: "handler-fails-seldom" [1, 2]
        "one alert of a hundred cannot be written, for a while" => seldom;
    consumer: "key-fails-for-good" [1, 1]
        "one product's alerts cannot be written until an operator has the key tried again" => for_good;
};

const MEND: &str = "drop function if exists chaos_fail cascade; drop sequence if exists chaos_failures";

/// Has alerts that match a condition fail. Sequences outlive a rollback: so failures are counted.
pub(super) async fn break_alerts(basket: &PgPool, condition: &str) -> Result<()> {
    let trigger = format!(
        "create sequence chaos_failures minvalue 0;
         select nextval('chaos_failures');
         create function chaos_fail() returns trigger language plpgsql security definer as $$
         begin
             if {condition} then
                 perform nextval('chaos_failures');
                 raise 'broken on purpose';
             end if;
             return new;
         end $$;
         create trigger chaos_fail before insert on alert for each row execute function chaos_fail()"
    );
    sqlx::raw_sql(AssertSqlSafe(trigger)).execute(basket).await?;
    Ok(())
}

/// Has alerts succeed again.
pub(super) async fn mend_alerts(basket: &PgPool) -> Result<()> {
    sqlx::raw_sql(MEND).execute(basket).await?;
    Ok(())
}

async fn failures(basket: &PgPool) -> Result<u64> {
    let failures: i64 = sqlx::query_scalar("select last_value from chaos_failures").fetch_one(basket).await?;
    Ok(failures.try_into()?)
}

async fn failing(target: &mut Target<'_>) -> Result<Injection> {
    let basket = target.environment.basket.clone();
    break_alerts(&basket, "new.product_id = 1 or random() < 0.01").await?;
    target.workload.until_done(240, LIMIT).await?;
    let waits = async || {
        let waits = "select exists (select from inbox_waiting where key = '1')";
        Ok(sqlx::query_scalar::<_, bool>(waits).fetch_one(&basket).await?.then_some(()))
    };
    let waited = until(LIMIT, Duration::from_millis(100), waits).await?;
    ensure!(waited.is_some(), "no event waits though its alerts cannot be written");
    let seen = failures(&basket).await?;
    mend_alerts(&basket).await?;
    Ok(injection(seen, Instant::now()))
}

async fn seldom(target: &mut Target<'_>) -> Result<Injection> {
    let basket = target.environment.basket.clone();
    break_alerts(&basket, "random() < 0.01").await?;
    let some = async || Ok((failures(&basket).await? >= 5).then_some(()));
    until(2 * LIMIT, Duration::from_millis(100), some).await?;
    let seen = failures(&basket).await?;
    mend_alerts(&basket).await?;
    Ok(injection(seen, Instant::now()))
}

/// Product 1 of [`PRODUCTS`]: its key is blocked after the last try, and no other is.
async fn for_good(target: &mut Target<'_>) -> Result<Injection> {
    let basket = target.environment.basket.clone();
    target.environment.kill(ONE)?;
    target.environment.launch(ONE, &[("APP__CONSUMER__MAX_ATTEMPTS", "3")])?;
    target.environment.service(ONE)?.until_ready().await?;
    break_alerts(&basket, "new.product_id = 1").await?;
    target.change(1, LIMIT).await?;
    let blocked = async || Ok((blocked(&basket).await? == ["1"]).then_some(()));
    until(LIMIT, Duration::from_millis(100), blocked).await?.context("the key is not blocked")?;
    target.workload.until_done(60, LIMIT).await?;
    target.one_of_arrives(2..=PRODUCTS, FLOWS).await.context("while another key is blocked")?;
    ensure!(self::blocked(&basket).await? == ["1"], "other keys are blocked than the one that fails");
    let seen = failures(&basket).await?;
    mend_alerts(&basket).await?;
    let healed = Instant::now();
    let url = format!("{}/api/v1/inbox/waiting/requeue", target.environment.url(ONE)?);
    let requeue = reqwest::Client::new().post(url).bearer_auth(token("chaos-operator", "ops")?);
    requeue.json(&json!({"key": "1"})).send().await?.error_for_status()?;
    let free = async || Ok(self::blocked(&basket).await?.is_empty().then_some(()));
    until(LIMIT, Duration::from_millis(100), free).await?.context("the key is still blocked")?;
    target.environment.kill(ONE)?;
    target.environment.start(ONE).await?;
    Ok(injection(seen, healed))
}

/// The keys that wait for an operator.
async fn blocked(basket: &PgPool) -> Result<Vec<String>> {
    let blocked = "select distinct key from inbox_waiting where blocked_at is not null order by key";
    Ok(sqlx::query_scalar(blocked).fetch_all(basket).await?)
}
