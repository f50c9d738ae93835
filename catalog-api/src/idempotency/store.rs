//! The kept answers.

use actix_web::http::header::RETRY_AFTER;
use service_kit::problem::Problem;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};

use super::answer::Headers;
use super::{Answer, Request};

/// How many old rows one statement removes: few enough to hold nobody up.
const BATCH: i64 = 1_000;

/// What is known of a request.
#[derive(Debug)]
pub enum Known {
    /// Nothing: it is to be done, and its answer [kept](keep).
    New,
    /// It was done, and this was the answer.
    Answered(Answer),
}

/// Looks a request up, and keeps others with the same key out until the transaction ends.
///
/// 409 while the first one is still running, 422 when the key was used with another body.
pub async fn look_up(tx: &mut PgConnection, request: &Request) -> Result<Known, Problem> {
    // Not a wait for the other's row: who repeats a request that is still running should hear so.
    let is_alone: bool = sqlx::query_scalar(
        "select pg_try_advisory_xact_lock(hashtextextended(concat_ws(e'\\n', $1, $2, $3), 0))",
    )
    .bind(&request.subject)
    .bind(&request.operation)
    .bind(request.key.as_str())
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
    .bind(request.key.as_str())
    .fetch_optional(tx)
    .await?;
    let Some((fingerprint, status, headers, body)) = row else { return Ok(Known::New) };
    if fingerprint != request.fingerprint {
        return Err(Problem::unprocessable(
            "this idempotency-key was used with another body: use a new key for a new request",
        ));
    }
    let status = u16::try_from(status).map_err(|error| Problem::internal(&error))?;
    Ok(Known::Answered(Answer { status, headers: headers.0, body }))
}

/// Keeps the answer to a request, in the transaction of its effect: it counts, whatever was kept before.
pub async fn keep(tx: &mut PgConnection, request: &Request, answer: &Answer) -> Result<(), sqlx::Error> {
    insert(tx, request, answer, true).await
}

async fn insert(
    db: &mut PgConnection,
    request: &Request,
    answer: &Answer,
    had_effect: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into idempotency (subject, operation, key, fingerprint, status, headers, body)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (subject, operation, key) do update
            set fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
                body = excluded.body, created_at = excluded.created_at
          where $8 or idempotency.created_at < clock_timestamp() - interval '24 hours'",
    )
    .bind(&request.subject)
    .bind(&request.operation)
    .bind(request.key.as_str())
    .bind(request.fingerprint.as_slice())
    .bind(i16::try_from(answer.status).unwrap_or_default())
    .bind(Json(&answer.headers))
    .bind(&answer.body)
    .bind(had_effect)
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps a refusal. A refused request has no effect, so that there is no transaction to share; a repetition
/// that got in between and had one is what counts.
pub async fn keep_refusal(pool: &PgPool, request: &Request, problem: &Problem) -> Result<(), Problem> {
    let mut connection = pool.acquire().await?;
    insert(&mut connection, request, &Answer::refusal(problem)?, false).await?;
    Ok(())
}

/// Removes answers that are older than 24 hours, a bounded number; returns how many.
pub async fn remove_old(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query(
        "delete from idempotency
          where (subject, operation, key) in (
                select subject, operation, key
                  from idempotency
                 where created_at < clock_timestamp() - interval '24 hours'
                 order by created_at
                 limit $1)",
    )
    .bind(BATCH)
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}
