//! What an answer of the provider tells. Whatever is not exactly as agreed tells nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::payments::{Charge, rules::Answer};

/// The longest text of the provider's that is kept, in characters.
const TEXT_LIMIT: usize = 200;

/// The body of an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status: Status,
    charge_id: Option<String>,
    amount: Option<Decimal>,
    currency: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Succeeded,
    Refunded,
    Declined,
}

/// Says what an answer tells.
pub(super) fn read(status: StatusCode, retry_after: Option<&str>, body: &[u8]) -> Answer {
    let nothing = |problem: &str| Answer::Nothing {
        problem: format!("the provider answered {}{problem}", status.as_u16()),
        retry_after: retry_after.and_then(|text| pause(text, Utc::now())),
    };
    let is_known = matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::PAYMENT_REQUIRED);
    if !is_known {
        return nothing("");
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return nothing(" with a body that cannot be read");
    };
    let is_done = status != StatusCode::PAYMENT_REQUIRED;
    let has_charge = body.charge_id.is_some();
    match (body.status, body.charge_id.zip(body.amount).zip(body.currency)) {
        (Status::Declined, _) if is_done || has_charge => nothing(" and has declined, but not as agreed"),
        (Status::Declined, _) => {
            let reason = body.reason.map(|reason| shorten(&reason)).filter(|reason| !reason.is_empty());
            Answer::Declined(reason.unwrap_or_else(|| "declined".to_owned()))
        }
        (what, Some(((id, amount), currency))) if is_done => {
            if id.is_empty() || id != shorten(&id) || currency != shorten(&currency) {
                return nothing(" with a charge that cannot be kept");
            }
            let charge = Charge { id, amount, currency };
            match what {
                Status::Refunded => Answer::Refunded(charge),
                _ => Answer::Charged(charge),
            }
        }
        _ => nothing(" without saying what was charged"),
    }
}

/// How long `Retry-After` wants: seconds, or until a date.
fn pause(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    (until.with_timezone(&Utc) - now).to_std().ok()
}

/// A text without control characters, and not too long.
fn shorten(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TEXT_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        read(StatusCode::from_u16(status).unwrap(), None, body.as_bytes())
    }

    fn charge() -> Charge {
        Charge { id: "ch_1".to_owned(), amount: Decimal::new(1250, 2), currency: "EUR".to_owned() }
    }

    #[test]
    fn only_an_answer_as_agreed_tells_an_outcome() {
        let body = r#"{"status":"succeeded","chargeId":"ch_1","amount":"12.50","currency":"EUR"}"#;
        assert_eq!(answer(200, body), Answer::Charged(charge()));
        assert_eq!(answer(201, body), Answer::Charged(charge()));
        assert_eq!(answer(200, &body.replace("succeeded", "refunded")), Answer::Refunded(charge()));
        let declined = r#"{"status":"declined","reason":"card_declined"}"#;
        assert_eq!(answer(402, declined), Answer::Declined("card_declined".to_owned()));
        assert_eq!(
            answer(402, r#"{"status":"declined","reason":"\u0000"}"#),
            Answer::Declined("declined".to_owned())
        );

        let unclear = [
            (500, body),
            (503, body),
            (429, body),
            (404, body),
            (302, body),
            (204, ""),
            (402, body),
            (402, "declined"),
            (200, declined),
            (201, declined),
            (402, r#"{"status":"declined","chargeId":"ch_1"}"#),
            (402, &body.replace("succeeded", "declined")),
            (200, &body.replace("succeeded", "declined")),
            (200, ""),
            (200, "<html>"),
            (200, "{}"),
            (200, r#"{"status":"pending","chargeId":"ch_1","amount":"12.50","currency":"EUR"}"#),
            (200, r#"{"status":"succeeded","amount":"12.50","currency":"EUR"}"#),
            (200, r#"{"status":"succeeded","chargeId":"","amount":"12.50","currency":"EUR"}"#),
            (200, r#"{"status":"succeeded","chargeId":"a\u0000","amount":"12.50","currency":"EUR"}"#),
            (200, r#"{"status":"succeeded","chargeId":"ch_1","amount":"much","currency":"EUR"}"#),
            (200, r#"{"status":"succeeded","chargeId":"ch_1","amount":"12.50"}"#),
        ];
        for (status, body) in unclear {
            assert!(matches!(answer(status, body), Answer::Nothing { .. }), "{status} {body}");
        }
    }

    #[test]
    fn a_provider_that_wants_to_be_left_alone_says_for_how_long() {
        let now = "2026-11-28T12:00:00Z".parse().unwrap();
        assert_eq!(pause("7", now), Some(Duration::from_secs(7)));
        assert_eq!(pause("Sat, 28 Nov 2026 12:00:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(pause("Sat, 28 Nov 2026 11:00:00 GMT", now), None);
        assert_eq!(pause("soon", now), None);
    }
}
