//! What an operator wants done about many events.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clients::{self, Client, ClientError};
use crate::ops::api::{ACTION_DEADLINE, OpsApi};
use crate::pages::{count, title};
use crate::session::User;

/// The most dead letters that one call replays or discards.
const LETTERS: u64 = 1_000;

/// Which events, and what is to be done about them, as a form says it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// `failed`, `waiting` or `dead-letters`.
    pub(crate) what: String,
    /// The subscriber; failed events have none.
    pub(crate) service: String,
    /// `requeue` or `skip`; `replay` or `discard` for dead letters.
    pub(crate) action: String,
    pub(crate) r#type: String,
    pub(crate) key: String,
    /// What the reason of a dead letter contains.
    pub(crate) cause: String,
    /// `true`: all of them.
    pub(crate) all: String,
}

/// An order that can be carried out.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) asked: Asked,
    kind: Kind,
    action: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed,
    Waiting,
    DeadLetters,
}

/// What one call did, or would do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    pub(crate) matched: u64,
    pub(crate) done: u64,
    /// Whether there may be more.
    pub(crate) more: bool,
    /// How many there are at most.
    pub(crate) at_most: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Answer {
    count: u64,
    matched: u64,
    changed: u64,
    done: u64,
    more: bool,
    databases: Vec<Database>,
}

#[derive(Deserialize)]
struct Database {
    problem: Option<String>,
}

impl Asked {
    /// The order, or why there is none.
    pub(crate) fn order(&self) -> Result<Order, &'static str> {
        let (kind, action) = match (self.what.as_str(), self.action.as_str()) {
            ("failed", "requeue") => (Kind::Failed, "requeue"),
            ("failed", "skip") => (Kind::Failed, "skip"),
            ("waiting", "requeue") => (Kind::Waiting, "requeue"),
            ("waiting", "skip") => (Kind::Waiting, "skip"),
            ("dead-letters", "replay") => (Kind::DeadLetters, "replay"),
            ("dead-letters", "discard") => (Kind::DeadLetters, "discard"),
            _ => return Err("There is no such action."),
        };
        let trim = |text: &str| text.trim().to_owned();
        let asked = Self {
            r#type: trim(&self.r#type),
            key: trim(&self.key),
            cause: if kind == Kind::DeadLetters { trim(&self.cause) } else { String::new() },
            ..self.clone()
        };
        let is_narrow = [&asked.r#type, &asked.key, &asked.cause].iter().any(|text| !text.is_empty());
        if is_narrow == (asked.all == "true") {
            return Err("Say which: fill in a type or a key, or choose all of them, not both.");
        }
        Ok(Order { asked, kind, action })
    }
}

impl Order {
    /// Whether it needs a reason.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.action, "skip" | "discard")
    }

    /// Whether a call whose outcome is unknown may be repeated. A skip of waiting keys gives up the first event of each
    /// key: repeated, it would give up the next one too.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.kind != Kind::Waiting || self.action != "skip"
    }

    /// Where the operator came from.
    pub(crate) fn page(&self) -> &'static str {
        match self.kind {
            Kind::Failed => "/ops/events?state=PublishedFailed",
            Kind::Waiting => "/ops/waiting",
            Kind::DeadLetters => "/ops/dead-letters",
        }
    }

    /// So many of what it is about, in words.
    pub(crate) fn things(&self, number: u64) -> String {
        let (one, many) = match self.kind {
            Kind::Failed => ("failed event", "failed events"),
            Kind::Waiting => ("key that waits", "keys that wait"),
            Kind::DeadLetters => ("dead letter", "dead letters"),
        };
        format!("{} {}", count(number), if number == 1 { one } else { many })
    }

    /// Which ones, in words.
    pub(crate) fn which(&self) -> String {
        let Asked { r#type, key, cause, service, .. } = &self.asked;
        let part = |what: &str, text: &str| {
            if text.is_empty() { String::new() } else { format!(" {what} “{text}”") }
        };
        let of = if self.kind == Kind::Failed { String::new() } else { format!(" of {}", title(service)) };
        format!(
            "{of}{}{}{}",
            part("of type", r#type),
            part("with key", key),
            part("whose reason contains", cause)
        )
    }

    /// What is done, as a participle.
    pub(crate) fn done(&self) -> &'static str {
        match self.action {
            "requeue" => "requeued",
            "skip" => "skipped",
            "replay" => "replayed",
            _ => "discarded",
        }
    }

    /// The verb on the button.
    pub(crate) fn verb(&self) -> String {
        title(self.action)
    }

    /// How many it would concern now.
    pub(crate) async fn count(&self, api: &OpsApi, user: &User) -> clients::Result<Step> {
        self.call(api, user, None).await
    }

    /// Does what one call can do.
    pub(crate) async fn carry_out(&self, api: &OpsApi, user: &User, reason: &str) -> clients::Result<Step> {
        self.call(api, user, Some(reason)).await
    }

    async fn call(&self, api: &OpsApi, user: &User, reason: Option<&str>) -> clients::Result<Step> {
        let body = self.body(reason);
        if self.kind == Kind::Failed {
            let post =
                async |relay: &Client| post(relay, user, &["outbox", "failed", self.action], &body).await;
            return api.any_relay(post).await.and_then(|answer| step(answer, reason.is_some()));
        }
        let service = api.subscribers.iter().find(|client| client.service() == self.asked.service);
        let service = service.ok_or_else(|| ClientError::Refused {
            service: self.asked.service.clone(),
            status: reqwest::StatusCode::NOT_FOUND,
            detail: "there is no such subscriber".to_owned(),
        })?;
        let what = if self.kind == Kind::Waiting { "waiting" } else { "dead-letters" };
        let answer = post(service, user, &["inbox", what, self.action], &body).await?;
        if self.kind == Kind::Waiting {
            let done = if reason.is_some() { answer.count } else { 0 };
            return Ok(Step { matched: answer.count, done, more: false, at_most: answer.count });
        }
        step(answer, reason.is_some())
    }

    /// The body of a call; a dry run without a reason.
    fn body(&self, reason: Option<&str>) -> Value {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let Asked { r#type, key, cause, all, .. } = &self.asked;
        let (r#type, key, all) = (some(r#type), some(key), all == "true");
        let why = reason.filter(|_| self.is_final());
        match self.kind {
            Kind::DeadLetters => json!({
                "which": {"all": all, "reason": some(cause), "eventType": r#type, "key": key},
                "limit": LETTERS, "dryRun": reason.is_none(), "why": why,
            }),
            _ => json!({"type": r#type, "key": key, "all": all, "dryRun": reason.is_none(), "reason": why}),
        }
    }
}

/// What an answer says; an error where a database did not answer and nothing was done.
fn step(answer: Answer, is_real: bool) -> clients::Result<Step> {
    let done = if is_real { answer.changed + answer.done } else { 0 };
    let problem = answer.databases.into_iter().find_map(|database| database.problem);
    if let Some(cause) = problem.filter(|_| done == 0 && answer.matched == 0) {
        return Err(ClientError::Unavailable { service: "database".to_owned(), cause });
    }
    let at_most = if answer.more { answer.count.max(answer.matched) } else { answer.matched };
    Ok(Step { matched: answer.matched, done, more: answer.more, at_most })
}

async fn post(client: &Client, user: &User, path: &[&str], body: &Value) -> clients::Result<Answer> {
    let path = [&["api", "v1"], path].concat();
    client.request(Method::POST, &path, &[]).by(user).deadline(ACTION_DEADLINE).body(body).json().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(what: &str, action: &str) -> Asked {
        Asked { what: what.to_owned(), action: action.to_owned(), ..Asked::default() }
    }

    #[test]
    fn an_order_says_which_events_it_means() {
        let failed = asked("failed", "requeue");
        assert!(failed.order().is_err(), "none is chosen");
        assert!(Asked { all: "true".to_owned(), key: "7".to_owned(), ..failed.clone() }.order().is_err());
        let of_a_type = Asked { r#type: " a.b.v1 ".to_owned(), ..failed.clone() }.order().unwrap();
        assert_eq!(of_a_type.which(), " of type “a.b.v1”");
        assert_eq!(of_a_type.body(None)["type"], "a.b.v1");
        assert_eq!(of_a_type.body(None)["dryRun"], true);
        assert_eq!(of_a_type.body(Some(""))["dryRun"], false);
        let all = |asked: Asked| Asked { all: "true".to_owned(), ..asked }.order();
        assert!(all(asked("failed", "discard")).is_err());
        assert!(all(asked("secrets", "skip")).is_err());
        assert_eq!(all(asked("dead-letters", "discard")).unwrap().body(Some("old"))["why"], "old");
    }
}
