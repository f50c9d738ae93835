//! What the registrations of a run have left behind, read from every place that keeps something.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use harness::{Environment, Name};
use serde::Deserialize;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use super::users::{User, Users};
use crate::workload::{DOMAIN, SECRET};

/// The subject of the mails that are looked for.
const WELCOME: &str = "Welcome to the shop";

/// What a password's hash begins with.
const HASH: &str = "$argon2";

/// The most mails that the mailbox shows, and how long it may take to.
const MAILS: usize = 10_000;
const LIMIT: Duration = Duration::from_secs(20);

/// Where the registrations of a run begin.
pub(crate) struct UserMark {
    at: DateTime<Utc>,
    mails: usize,
}

#[derive(Deserialize)]
struct Mails {
    messages: Vec<Mail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: Option<String>,
    to: Vec<String>,
    subject: String,
}

impl UserMark {
    /// Now.
    pub(crate) async fn set(environment: &Environment) -> Result<Self> {
        let at = sqlx::query_scalar("select clock_timestamp()").fetch_one(&environment.accounts).await?;
        Ok(Self { at, mails: mails(environment).await?.len() })
    }

    /// What keeps registrations from being at rest, in words; nothing if they are.
    pub(crate) async fn unsettled(&self, environment: &Environment) -> Result<Option<String>> {
        let queries = [
            ("accounts", "registrations that are not done", "select count(*) from registration"),
            (
                "accounts",
                "events that are pending",
                "select count(*) from integration_event_log where state = 'NotPublished'",
            ),
            ("notifier", "mails that are to be sent", "select count(*) from mail where due is not null"),
            ("notifier", "events that wait", "select count(*) from inbox_waiting"),
            ("basket", "events that wait", "select count(*) from inbox_waiting"),
        ];
        for (service, what, query) in queries {
            let left: i64 = sqlx::query_scalar(query).fetch_one(environment.database(service)?).await?;
            if left > 0 {
                return Ok(Some(format!("{left} {what} in {service}")));
            }
        }
        let registered = "select event_id from integration_event_log
                           where event_type = 'shop.accounts.user_registered.v1' and created_at > $1";
        let registered: Vec<Uuid> =
            sqlx::query_scalar(registered).bind(self.at).fetch_all(&environment.accounts).await?;
        for service in ["basket", "notifier"] {
            let there = "select count(*) from inbox where event_id = any($1)";
            let there: i64 =
                sqlx::query_scalar(there).bind(&registered).fetch_one(environment.database(service)?).await?;
            if usize::try_from(there)? < registered.len() {
                return Ok(Some(format!("{there} of {} new users known in {service}", registered.len())));
            }
        }
        Ok(None)
    }

    /// Reads it all. To be called at rest.
    pub(crate) async fn read(&self, environment: &Environment, promised: Vec<String>) -> Result<Users> {
        let rows = "select user_id::text, email from app_user where created_at > $1 and status <> 'rejected'";
        let rows: Vec<(String, String)> =
            sqlx::query_as(rows).bind(self.at).fetch_all(&environment.accounts).await?;
        let lists = "select buyer_id, count(*) from list group by buyer_id";
        let lists: Vec<(String, i64)> = sqlx::query_as(lists).fetch_all(&environment.basket).await?;
        let lists: HashMap<String, i64> = lists.into_iter().collect();
        let mut welcomes: HashMap<String, Vec<String>> = HashMap::new();
        let mut mails = mails(environment).await?;
        // The newest come first.
        mails.truncate(mails.len().saturating_sub(self.mails));
        for mail in mails.into_iter().filter(|mail| mail.subject == WELCOME) {
            let id = mail.message_id.unwrap_or_default();
            for to in mail.to {
                welcomes.entry(to).or_default().push(id.clone());
            }
        }
        let registered = rows.into_iter().map(|(id, email)| User {
            lists: lists.get(&id).copied().unwrap_or(0),
            welcomes: welcomes.remove(&email).unwrap_or_default(),
            email,
        });
        let registered = registered.collect();
        let strangers = welcomes.into_keys().collect();
        Ok(Users { promised, registered, strangers, leaks: leaks(environment).await? })
    }
}

async fn mails(environment: &Environment) -> Result<Vec<Mail>> {
    let url = format!("{}/api/messages?limit={MAILS}", environment.url(Name::MAILBOX)?);
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build()?;
    let mails: Mails = client.get(url).send().await?.error_for_status()?.json().await?;
    Ok(mails.messages)
}

/// Where passwords, hashes and addresses are that must not be: in a log, in a message's headers; passwords and hashes in
/// any message, and in a command anything but the id.
async fn leaks(environment: &Environment) -> Result<Vec<String>> {
    let mut leaks = Vec::new();
    for file in std::fs::read_dir(environment.logs())? {
        let path = file?.path();
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8_lossy(&text);
        for wrong in [DOMAIN, SECRET, HASH] {
            if let Some(line) = text.lines().find(|line| line.contains(wrong)) {
                leaks.push(format!("{}: {line}", path.display()));
            }
        }
    }
    let messages = "select event_type, event_id from integration_event_log
                     where position($1 in headers::text) > 0
                        or position($2 in headers::text || payload::text) > 0
                        or position($3 in headers::text || payload::text) > 0
                        or (event_type = 'shop.accounts.register_user.v1' and position($1 in payload::text) > 0)";
    let messages: Vec<(String, Uuid)> = sqlx::query_as(messages)
        .bind(DOMAIN)
        .bind(SECRET)
        .bind(HASH)
        .fetch_all(&environment.accounts)
        .await?;
    leaks.extend(messages.into_iter().map(|(event_type, id)| format!("{event_type} {id}")));
    Ok(leaks)
}
