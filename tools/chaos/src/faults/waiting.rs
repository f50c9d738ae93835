//! Handlers that fail: for a while, and for good until somebody mends it.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::{Fault, Injection, Target, injection};
use harness::until;

pub(super) const FAULTS: &[Fault] = faults! {
    consumer: "handler-fails" [1, 1]
        "one product's alerts cannot be written, and one per cent of all for a while" => failing;
};

/// Sequences outlive a rollback: so failures are counted.
const BREAK: &str = "
    create sequence chaos_failures;
    create function chaos_fail() returns trigger language plpgsql security definer as $$
    begin
        if new.product_id = 1 or random() < 0.01 then
            perform nextval('chaos_failures');
            raise 'broken on purpose';
        end if;
        return new;
    end $$;
    create trigger chaos_fail before insert on alert for each row execute function chaos_fail()";

const MEND: &str = "drop function if exists chaos_fail cascade; drop sequence if exists chaos_failures";

async fn failing(target: &mut Target<'_>) -> Result<Injection> {
    let basket = target.environment.basket.clone();
    sqlx::raw_sql(BREAK).execute(&basket).await?;
    target.workload.until_done(240, Duration::from_secs(30)).await?;
    let waits = async || {
        let waits = "select exists (select from inbox_waiting where key = '1')";
        Ok(sqlx::query_scalar::<_, bool>(waits).fetch_one(&basket).await?.then_some(()))
    };
    let waited = until(Duration::from_secs(20), Duration::from_millis(100), waits).await?;
    ensure!(waited.is_some(), "no event waits though its alerts cannot be written");
    let seen: i64 = sqlx::query_scalar("select last_value from chaos_failures").fetch_one(&basket).await?;
    sqlx::raw_sql(MEND).execute(&basket).await?;
    Ok(injection(seen.try_into()?, Instant::now()))
}
