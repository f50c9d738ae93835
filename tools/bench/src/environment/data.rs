//! Products, carts and backlogs, put straight into the databases.

use std::time::Duration;

use anyhow::{Context, Result};
use event_bus::relay;
use harness::until;

use super::{Environment, POLL};

/// Products that are changed, from this number on.
pub(crate) const FIRST: i64 = 10_001;

/// How many there are.
pub(crate) const PRODUCTS: i64 = 1_000;

/// Carts with one of these products each.
pub(crate) const CARTS: i64 = 1_000;

/// The type of the events of a backlog: only the queue that is measured is bound to it.
pub(crate) const BACKLOG_TYPE: &str = "shop.bench.backlog_made.v1";

/// Keys of a backlog: enough to have as many on their way as the relay may.
const KEYS: i64 = 5_000;

/// How long a backlog may take to drain.
const LIMIT: Duration = Duration::from_mins(10);

impl Environment {
    /// Products in both databases, and one cart for each.
    pub(super) async fn fill(&self) -> Result<()> {
        sqlx::query(
            "insert into product (product_id, name, description, price, product_type_id, product_brand_id)
             select id, 'Product ' || id, repeat('A sturdy thing for the outdoors. ', 4), 10.00, 1 + id % 8, 1 + id % 13
               from generate_series($1::bigint, $1 + $2 - 1) as id",
        )
        .bind(FIRST)
        .bind(PRODUCTS)
        .execute(&self.catalog)
        .await?;
        sqlx::query(
            "insert into product (product_id, name, picture_url, details_version, price, currency, price_version)
             select id, 'Product ' || id, '/api/v1/catalog/items/' || id || '/pic', 1, 10.00, 'EUR', 1
               from generate_series($1::bigint, $1 + $2 - 1) as id",
        )
        .bind(FIRST)
        .bind(PRODUCTS)
        .execute(&self.basket)
        .await?;
        self.reset_carts(1).await?;
        sqlx::raw_sql("vacuum analyze").execute(&self.catalog).await?;
        Ok(())
    }

    /// As many carts as there are products, with so many products each; nothing else.
    pub(crate) async fn reset_carts(&self, lines: i64) -> Result<()> {
        sqlx::raw_sql("truncate cart, cart_line, alert, inbox, inbox_version, inbox_waiting")
            .execute(&self.basket)
            .await?;
        sqlx::query("insert into cart (buyer_id) select 'buyer-' || n from generate_series(0, $1 - 1) as n")
            .bind(CARTS)
            .execute(&self.basket)
            .await?;
        sqlx::query(
            "insert into cart_line (buyer_id, product_id, quantity, unit_price, accepted_price)
             select 'buyer-' || n, product_id, 1, price, price
               from generate_series(0, $1 - 1) as n cross join generate_series(0, $2 - 1) as line
               join product on product_id = $3 + (n + line) % $4",
        )
        .bind(CARTS)
        .bind(lines)
        .bind(FIRST)
        .bind(PRODUCTS)
        .execute(&self.basket)
        .await?;
        sqlx::raw_sql("vacuum analyze").execute(&self.basket).await?;
        Ok(())
    }

    /// Commits this many unpublished events at once, with 500 bytes of payload.
    pub(crate) async fn add_backlog(&self, count: i64, event_type: &str) -> Result<()> {
        sqlx::query(
            "insert into integration_event_log (event_id, event_type, key, key_version, partition, payload)
             select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '70008'
                     || substr(md5(random()::text), 1, 15))::uuid,
                    $2, $3 + n % $4, n, n % $4 % 64,
                    ('{\"number\":' || n || ',\"padding\":\"' || repeat('x', 460) || '\"}')::json
               from generate_series(1, $1) as n",
        )
        .bind(count)
        .bind(event_type)
        .bind(FIRST)
        .bind(KEYS)
        .execute(&self.catalog)
        .await?;
        Ok(())
    }

    /// Wakes the relay, as a service does after a commit.
    pub(crate) async fn notify(&self) -> Result<()> {
        sqlx::query("select pg_notify($1, '')").bind(relay::CHANNEL).execute(&self.catalog).await?;
        Ok(())
    }

    /// Waits until everything is published. Reads the newest first: from the other end, each query would pass all
    /// index entries that are dead and not vacuumed yet.
    pub(crate) async fn until_published(&self) -> Result<()> {
        let newest = "select position from integration_event_log where state = 'NotPublished'
                       order by position desc limit 1";
        let published = async || {
            self.interrupt.check()?;
            let pending: Option<i64> = sqlx::query_scalar(newest).fetch_optional(&self.catalog).await?;
            Ok(pending.is_none().then_some(()))
        };
        let published = until(LIMIT, POLL, published).await?;
        published.with_context(|| format!("the backlog was not drained in {} s", LIMIT.as_secs()))
    }

    /// Forgets all events.
    pub(crate) async fn clear_log(&self) -> Result<()> {
        sqlx::query("truncate integration_event_log").execute(&self.catalog).await?;
        Ok(())
    }

    /// Turns PostgreSQL's own housekeeping `on` or `off`.
    pub(crate) async fn autovacuum(&self, how: &'static str) -> Result<()> {
        let sql = format!("alter system set autovacuum = {how}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.catalog).await?;
        sqlx::raw_sql("select pg_reload_conf()").execute(&self.catalog).await?;
        Ok(())
    }
}
