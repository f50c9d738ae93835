//! The SQL of the kept answers.

use actix_web::http::header::RETRY_AFTER;
use service_kit::problem::Problem;
use service_kit::retry::retried;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use super::answer::Headers;
use super::{Answer, Request};

/// How many old rows one statement removes: few enough to block no request for long.
const BATCH: i64 = 1_000;

/// Finds the answer that an earlier request with the same key got, and locks the key until the
/// transaction ends. `None`: the request is new.
///
/// 409 while the first one is still running, 422 when the key was used with another body or `If-Match`.
pub async fn find(tx: &mut PgConnection, request: &Request) -> Result<Option<Answer>, Problem> {
    // A repetition must not wait for the first request: it is told that the first one is still running.
    let is_alone: bool = sqlx::query_scalar(
        "select pg_try_advisory_xact_lock(hashtextextended(concat_ws(e'\\n', $1, $2, $3), 0))",
    )
    .bind(&request.subject)
    .bind(&request.operation)
    .bind(&request.key)
    .fetch_one(&mut *tx)
    .await?;
    if !is_alone {
        let running = Problem::conflict("a request with this idempotency-key is still running");
        return Err(running.header(RETRY_AFTER, "1"));
    }
    // A statement of its own, after the lock: an earlier snapshot might not see the row of a
    // transaction that ended in between.
    let row: Option<(Vec<u8>, i16, Json<Headers>, String)> = sqlx::query_as(
        "select fingerprint, status, headers, body
           from idempotency
          where subject = $1 and operation = $2 and key = $3
            and created_at > clock_timestamp() - interval '24 hours'",
    )
    .bind(&request.subject)
    .bind(&request.operation)
    .bind(&request.key)
    .fetch_optional(tx)
    .await?;
    let Some((fingerprint, status, headers, body)) = row else { return Ok(None) };
    if fingerprint != request.fingerprint {
        return Err(Problem::unprocessable(
            "this idempotency-key was used with another body or if-match: use a new key for a new request",
        ));
    }
    let status = u16::try_from(status).map_err(|error| Problem::internal(&error))?;
    Ok(Some(Answer { status, headers: headers.0, body }))
}

/// Keeps the answer to a request for a repetition, in the transaction of the request's effect.
pub async fn keep(tx: &mut PgConnection, request: &Request, answer: &Answer) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into idempotency (subject, operation, key, fingerprint, status, headers, body)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (subject, operation, key) do update
            set fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
                body = excluded.body, created_at = excluded.created_at",
    )
    .bind(&request.subject)
    .bind(&request.operation)
    .bind(&request.key)
    .bind(request.fingerprint.as_slice())
    .bind(i16::try_from(answer.status).unwrap_or_default())
    .bind(Json(&answer.headers))
    .bind(&answer.body)
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes answers that are older than 24 hours, a thousand at a time; returns how many.
pub async fn remove_old(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let mut total = 0;
    loop {
        let removed = remove_batch(pool).await?;
        total += removed;
        if removed < BATCH.unsigned_abs() {
            return Ok(total);
        }
    }
}

async fn remove_batch(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let removed = retried(|| async {
        sqlx::query(
            "delete from idempotency
          where (subject, operation, key) in (
                select subject, operation, key
                  from idempotency
                 where created_at < statement_timestamp() - interval '24 hours'
                 order by created_at
                 limit $1)",
        )
        .bind(BATCH)
        .execute(pool)
        .await
    })
    .await?;
    Ok(removed.rows_affected())
}
