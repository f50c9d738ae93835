//! The mailbox of development: what was sent to whom, in place of the buyers' own mail programs.

use actix_web::get;
use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use askama::Template;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use service_kit::problem::{Problem, Query};

use crate::clients;
use crate::pages::{Answer, Frame, Section, Visit, html};

pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(show);
}

/// A line of a mail.
enum Line {
    Text(String),
    /// An address of a page.
    Link(String),
}

/// A mail as the page shows it.
struct Shown {
    subject: String,
    to: String,
    at: DateTime<Utc>,
    lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "mail/list.html")]
struct Page {
    frame: Frame,
    to: String,
    mails: clients::Result<Vec<Shown>>,
}

/// Whose mails.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Which {
    to: String,
}

impl From<clients::Mail> for Shown {
    fn from(mail: clients::Mail) -> Self {
        let line = |line: &str| {
            let is_link = ["http://", "https://"].iter().any(|scheme| line.starts_with(scheme));
            let is_alone = !line.contains(char::is_whitespace);
            if is_link && is_alone { Line::Link(line.to_owned()) } else { Line::Text(line.to_owned()) }
        };
        Self {
            lines: mail.text.lines().map(|text| line(text.trim_end())).collect(),
            subject: mail.subject,
            to: mail.to.join(", "),
            at: mail.received_at,
        }
    }
}

#[get("/mail")]
async fn show(visit: Visit, Query(Which { to }): Query<Which>) -> Answer {
    let mailbox = visit.shop.mailbox.as_ref();
    let mailbox = mailbox.ok_or_else(|| Problem::not_found("this shop sends mails to real mailboxes"))?;
    let (mut frame, mails) = tokio::join!(visit.frame("Mailbox", Section::Other), mailbox.mails(to.trim()));
    frame.is_partial = mails.is_err();
    let status = if mails.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mails = mails.map(|mails| mails.into_iter().map(Shown::from).collect());
    html(status, &Page { frame, to, mails })
}
