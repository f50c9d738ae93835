//! The provider's HTTP API.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use service_kit::problem::{Json, Problem, Query};
use service_kit::server::Stopping;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::ledger::{Charge, Ledger, Wanted};

/// How long `tok_slow` takes.
const SLOW: Duration = Duration::from_secs(3);

/// How long a request with `tok_timeout` is held: longer than its client waits, and not for ever, because each holds a
/// connection.
const HELD: Duration = Duration::from_secs(30);

/// How often `tok_flaky` fails.
const FLAKY: u32 = 2;

/// Adds the routes.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(make_charge).service(refund_charge).service(list_charges);
}

/// What is to be charged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChargeRequest {
    order_id: String,
    #[schema(value_type = String)]
    amount: Decimal,
    currency: String,
    token: String,
}

/// What was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// `succeeded`, `refunded` or `declined`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Charges an order, once for each `Idempotency-Key`.
#[utoipa::path(tag = "charges", request_body = ChargeRequest,
    params(("Idempotency-Key" = String, Header, description = "makes it safe to send the request again")),
    responses(
        (status = 200, description = "charged", body = Outcome),
        (status = 400, description = "no key, or nothing that can be charged"),
        (status = 402, description = "declined", body = Outcome),
        (status = 422, description = "the key was used for something else"),
        (status = 500, description = "`tok_flaky`"),
    ))]
#[post("/charges")]
async fn make_charge(
    request: HttpRequest,
    body: Json<ChargeRequest>,
    ledger: web::Data<Ledger>,
    stopping: web::Data<Stopping>,
) -> Result<HttpResponse, Problem> {
    let key = idempotency_key(&request)?;
    let ChargeRequest { order_id, amount, currency, token } = body.value;
    if amount <= Decimal::ZERO {
        return Err(Problem::validation("an amount is greater than 0"));
    }
    let wanted = Wanted { order_id, amount, currency };
    if let Some(known) = ledger.find(key) {
        let of_key = Wanted {
            order_id: known.order_id.clone(),
            amount: known.amount,
            currency: known.currency.clone(),
        };
        return if of_key == wanted {
            Ok(charged(known))
        } else {
            Err(Problem::unprocessable("the key was used"))
        };
    }
    let reason = match token.as_str() {
        "tok_flaky" if ledger.refuse(key).map_err(failed)? < FLAKY => {
            return Ok(HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR));
        }
        "tok_ok" | "tok_slow" | "tok_timeout" | "tok_flaky" => None,
        "tok_declined" => Some("card_declined"),
        _ => Some("unknown_token"),
    };
    if reason.is_some() {
        let outcome = Outcome { status: "declined", charge_id: None, amount: None, currency: None, reason };
        return Ok(HttpResponse::PaymentRequired().json(outcome));
    }
    let (charge, is_new) = ledger.charge(key, &wanted).map_err(failed)?;
    if is_new {
        let stopped = stopping.0.cancelled();
        match token.as_str() {
            "tok_slow" => _ = tokio::time::timeout(SLOW, stopped).await,
            "tok_timeout" => {
                drop(tokio::time::timeout(HELD, stopped).await);
                return Err(Problem::unavailable("no answer was to be given", 1));
            }
            _ => {}
        }
    }
    Ok(charged(charge))
}

/// Gives a charge back, once.
#[utoipa::path(tag = "charges",
    params(("id" = String, Path, description = "which charge"),
           ("Idempotency-Key" = String, Header, description = "makes it safe to send the request again")),
    responses(
        (status = 200, description = "given back", body = Outcome),
        (status = 400, description = "no key"),
        (status = 404, description = "no such charge"),
    ))]
#[post("/charges/{id}/refund")]
async fn refund_charge(
    request: HttpRequest,
    id: web::Path<String>,
    ledger: web::Data<Ledger>,
) -> Result<HttpResponse, Problem> {
    idempotency_key(&request)?;
    let charge = ledger.refund(&id).map_err(failed)?;
    let charge = charge.ok_or_else(|| Problem::not_found("there is no such charge"))?;
    Ok(HttpResponse::Ok().json(outcome("refunded", charge)))
}

/// Which charges to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LedgerQuery {
    /// Those of this order.
    order_id: Option<String>,
}

/// The ledger.
#[derive(Serialize, ToSchema)]
struct LedgerBody {
    /// The oldest first.
    charges: Vec<Charge>,
}

/// Lists what was charged.
#[utoipa::path(tag = "ledger", params(LedgerQuery), responses((status = 200, description = "the charges", body = LedgerBody)))]
#[get("/ledger")]
async fn list_charges(query: Query<LedgerQuery>, ledger: web::Data<Ledger>) -> web::Json<LedgerBody> {
    let mut charges = ledger.charges();
    if let Some(order) = &query.0.order_id {
        charges.retain(|charge| charge.order_id == *order);
    }
    web::Json(LedgerBody { charges })
}

fn charged(charge: Charge) -> HttpResponse {
    HttpResponse::Ok().json(outcome("succeeded", charge))
}

fn outcome(status: &'static str, charge: Charge) -> Outcome {
    let Charge { charge_id, amount, currency, .. } = charge;
    Outcome {
        status,
        charge_id: Some(charge_id),
        amount: Some(amount),
        currency: Some(currency),
        reason: None,
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<&str, Problem> {
    let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    key.filter(|key| (1..=255).contains(&key.len()))
        .ok_or_else(|| Problem::validation("send the header Idempotency-Key, of 1 to 255 characters"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: anyhow::Error) -> Problem {
    Problem::internal(&format!("{error:#}"))
}
