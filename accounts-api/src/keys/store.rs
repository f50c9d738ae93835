//! The table of keys: one is present, the others were replaced and are still published.

use anyhow::Context;
use service_kit::auth::{PublicKey, SigningKey};
use service_kit::database;
use service_kit::retry::retried;
use sqlx::{PgConnection, PgPool};

use crate::settings::LONGEST_LIFETIME;

/// How much longer a replaced key is published than any token counts: clocks differ.
const MARGIN_S: u64 = 600;

type Row = (String, Vec<u8>);

/// The key that signs. Made where there is none yet, once, also by several processes at a time.
pub async fn present_key(pool: &PgPool) -> Result<SigningKey, sqlx::Error> {
    retried(|| async {
        let mut tx = database::begin(pool).await?;
        if let Some(key) = read_present(&mut tx).await? {
            return Ok(key);
        }
        insert(&mut tx, &SigningKey::generate().map_err(|error| broken(&error))?).await?;
        let key = read_present(&mut tx).await?.ok_or(sqlx::Error::RowNotFound)?;
        tx.commit().await?;
        tracing::info!(key = key.id(), "a first key is made");
        Ok(key)
    })
    .await
}

/// What is published: the present key first.
pub async fn published_keys(pool: &PgPool) -> Result<Vec<PublicKey>, sqlx::Error> {
    let present = present_key(pool).await?;
    let replaced: Vec<Row> = retried(|| async {
        sqlx::query_as(
            "select key_id, private_key from signing_key
              where replaced_at > clock_timestamp() - make_interval(secs => $1) and key_id <> $2
              order by replaced_at desc limit 20",
        )
        .bind(published_for_s())
        .bind(present.id())
        .fetch_all(pool)
        .await
    })
    .await?;
    let mut keys = vec![present.public()];
    for row in replaced {
        keys.push(key_of(row)?.public());
    }
    Ok(keys)
}

/// Makes a new key that signs from now on; the one before it is published until its tokens have expired.
pub async fn rotate_key(pool: PgPool) -> anyhow::Result<String> {
    let key = SigningKey::generate()?;
    let mut tx = pool.begin().await.context("cannot begin a transaction")?;
    sqlx::query("update signing_key set replaced_at = clock_timestamp() where replaced_at is null")
        .execute(&mut *tx)
        .await
        .context("cannot replace the present key")?;
    let is_present = insert(&mut tx, &key).await.context("cannot keep the new key")?;
    anyhow::ensure!(is_present, "another process has made a new key at the same moment");
    sqlx::query("delete from signing_key where replaced_at <= clock_timestamp() - make_interval(secs => $1)")
        .bind(published_for_s())
        .execute(&mut *tx)
        .await
        .context("cannot delete old keys")?;
    tx.commit().await.context("cannot commit")?;
    Ok(format!("tokens are signed with the key {} from now on", key.id()))
}

/// Forgets every key but the present one: what they have signed counts no more once the services have asked again.
pub async fn withdraw_keys(pool: PgPool) -> anyhow::Result<String> {
    let withdrawn = sqlx::query("delete from signing_key where replaced_at is not null");
    let count = withdrawn.execute(&pool).await.context("cannot delete the keys")?.rows_affected();
    Ok(format!("{count} replaced keys are withdrawn; services notice within ten minutes"))
}

async fn read_present(connection: &mut PgConnection) -> Result<Option<SigningKey>, sqlx::Error> {
    let row: Option<Row> =
        sqlx::query_as("select key_id, private_key from signing_key where replaced_at is null")
            .fetch_optional(connection)
            .await?;
    row.map(key_of).transpose()
}

/// Keeps a key as the present one; `false` if there is another.
async fn insert(connection: &mut PgConnection, key: &SigningKey) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "insert into signing_key (key_id, private_key) values ($1, $2)
         on conflict ((true)) where replaced_at is null do nothing",
    )
    .bind(key.id())
    .bind(key.private())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

#[expect(clippy::cast_precision_loss, reason = "a day in seconds")]
fn published_for_s() -> f64 {
    (LONGEST_LIFETIME.as_secs() + MARGIN_S) as f64
}

fn key_of((id, private): Row) -> Result<SigningKey, sqlx::Error> {
    SigningKey::of(&id, &private).map_err(|error| broken(&error))
}

fn broken(error: &anyhow::Error) -> sqlx::Error {
    sqlx::Error::Decode(format!("{error:#}").into())
}
