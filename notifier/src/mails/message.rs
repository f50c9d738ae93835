//! Puts a mail into words.

use askama::Template;
use chrono::Utc;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use service_kit::link_token::LinkKey;
use url::Url;
use uuid::Uuid;

use super::Content;
use super::content::Change;
use super::store::Work;

/// What all mails need.
pub struct Letterhead {
    /// Whom mails are from.
    pub from: Mailbox,
    /// The storefront, as buyers know it.
    pub storefront: Url,
    /// Signs the links in mails.
    pub links: LinkKey,
}

/// The parts of a mail, in both forms. Everything that is put into the HTML is escaped.
#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a>(&'a Words);

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a>(&'a Words);

/// What a mail says.
struct Words {
    greeting: String,
    paragraphs: Vec<String>,
    /// A link, and what it is for.
    link: Option<(String, &'static str)>,
    /// What stands after the link.
    end: &'static str,
}

impl Letterhead {
    /// The mail. An error says why it can never be sent.
    pub fn mail(&self, work: &Work) -> anyhow::Result<Message> {
        let (subject, words) = self.words(work)?;
        let message = Message::builder()
            .from(self.from.clone())
            // The address alone: nothing that a user has chosen stands in a header.
            .to(Mailbox::new(None, work.email.parse()?))
            .subject(subject)
            .message_id(Some(self.message_id(work.mail_id)))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(Text(&words).render()?, Html(&words).render()?))?;
        Ok(message)
    }

    /// The same in each try.
    fn message_id(&self, mail_id: Uuid) -> String {
        let id = if event_bus::without!("message-id") { Uuid::now_v7() } else { mail_id };
        format!("<{id}@{}>", self.from.email.domain())
    }

    fn words(&self, work: &Work) -> anyhow::Result<(&'static str, Words)> {
        let words = |paragraphs: &[&str], link| Words {
            greeting: "Hello,".to_owned(),
            paragraphs: paragraphs.iter().map(|text| (*text).to_owned()).collect(),
            link,
            end: "",
        };
        Ok(match &work.content()? {
            Content::Welcome { user_name } => {
                let user: Uuid = work.user_id.parse()?;
                let mut link = self.page(&["validate"])?;
                let token = self.links.sign(user, Utc::now());
                link.query_pairs_mut().append_pair("user", &user.to_string()).append_pair("token", &token);
                let mut words = words(
                    &[
                        "Welcome to the shop. Please confirm that this is your address. The link counts for a day:",
                    ],
                    Some((link.to_string(), "Confirm this address")),
                );
                if is_plain(user_name) {
                    words.greeting = format!("Hello {user_name},");
                }
                words.end = "If you did not register, you need not do anything.";
                ("Welcome to the shop", words)
            }
            Content::AddressTaken => {
                let mut words = words(
                    &[
                        "somebody wanted to register at the shop with this address, which is registered already.",
                        "If it was you: sign in as you did before.",
                        "If you have not confirmed this address yet, register again in an hour.",
                    ],
                    Some((self.page(&["sign-in"])?.to_string(), "Sign in")),
                );
                words.end = "If it was not you, you need not do anything.";
                ("You are registered already", words)
            }
            Content::OrderPaid { order_id } => {
                let text = format!("your order {order_id} is confirmed: it is paid, and will be sent soon.");
                ("Your order is confirmed", words(&[&text], Some(self.order(order_id)?)))
            }
            Content::OrderCancelled { order_id, reason } => {
                let text = format!("your order {order_id} is cancelled.");
                let why = match reason.as_deref() {
                    Some("buyer") => "You have cancelled it.",
                    Some("stock_rejected") => "There is not enough left of something in it.",
                    Some("payment_failed") => "It could not be charged.",
                    _ => "It could not be completed.",
                };
                let rest = "What was charged for it, if anything, is given back.";
                ("Your order is cancelled", words(&[&text, why, rest], Some(self.order(order_id)?)))
            }
            Content::OrderShipped { order_id } => {
                let text = format!("your order {order_id} is on its way.");
                ("Your order is on its way", words(&[&text], Some(self.order(order_id)?)))
            }
            Content::PriceDigest { changes, more, currency } => {
                let cart = (self.page(&["cart"])?.to_string(), "See your cart");
                let mut words = words(&["this has changed in your cart:"], Some(cart));
                words.paragraphs.extend(changes.iter().map(|change| sentence(change, currency)));
                if *more > 0 {
                    words.paragraphs.push(format!("And {more} more."));
                }
                words.end =
                    "You get this mail once a day. Your profile in the shop is where you turn it off.";
                ("Prices in your cart have changed", words)
            }
        })
    }

    fn order(&self, order_id: &str) -> anyhow::Result<(String, &'static str)> {
        Ok((self.page(&["orders", order_id])?.to_string(), "See the order"))
    }

    fn page(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.storefront.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(path)),
            Err(()) => anyhow::bail!("the storefront's address can have no pages"),
        }
        Ok(url)
    }
}

/// Whether a name can only be one: mail programs make links of addresses, and a stranger may have chosen the name for
/// whoever reads the mail.
fn is_plain(name: &str) -> bool {
    let is_domain = |after: &str| after.chars().take_while(|c| c.is_alphanumeric()).count() >= 2;
    !name.is_empty() && !name.contains(['/', ':', '@']) && !name.split('.').skip(1).any(is_domain)
}

/// What has happened to a product, in words.
fn sentence(change: &Change, currency: &str) -> String {
    let Change { product_name, old_price, new_price } = change;
    match (old_price, new_price) {
        (Some(old), Some(new)) => format!("{product_name}: {new} {currency} instead of {old} {currency}"),
        (None, Some(new)) => format!("{product_name}: {new} {currency}"),
        (_, None) => format!("{product_name} is no longer sold"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_greeting_holds_nothing_that_a_mail_program_makes_a_link_of() {
        for name in ["Ann", "J. R. R. Tolkien", "J.R. Hartley", "Zoë <b>", "Acme & Sons Inc.", "李"] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            "http://evil",
            "win at evil.example",
            "evil.de/x",
            "mail eve@evil",
            "tel:1",
            "a.b.cd",
            "a.é1",
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }
}
