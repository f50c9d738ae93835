//! What `services.toml` may say.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use toml::Spanned;

use super::file::{File, line};
use super::{MOST_RELAYS, STOREFRONT};
use crate::checkout::SERVICES_TOML;

/// The ports of services.
const SERVICE_PORTS: RangeInclusive<i64> = 5101..=5149;

/// The ports of the relay and the storefront, of which the relay needs several.
const OTHER_PORTS: RangeInclusive<i64> = 1024..=65_000;

/// Names that a service would share with something else: a process, a user of the broker, or the exchanges.
const TAKEN: [&str; 8] = ["admin", "broker", "outbox", "postgres", "rabbitmq", "relay", "shop", "storefront"];

/// Refuses what would not work, with one sentence that names the line and says what to do.
pub(super) fn check(file: &File, text: &str, has_crate: &dyn Fn(&str) -> bool) -> Result<()> {
    let checker = Checker { text, has_crate };
    checker.names(file)?;
    checker.ports(file)?;
    checker.crates(file)?;
    checker.events(file)?;
    checker.summaries(file)
}

struct Checker<'a> {
    text: &'a str,
    has_crate: &'a dyn Fn(&str) -> bool,
}

impl Checker<'_> {
    fn names(&self, file: &File) -> Result<()> {
        let names =
            || file.services.iter().map(|one| &one.name).chain(file.tools.iter().map(|one| &one.name));
        for spanned in names() {
            let name = spanned.as_ref();
            if !is_word(name, false) {
                return self.refuse(
                    spanned,
                    &format!(
                        "the name {name:?} is not made of lower-case letters and digits, beginning with a \
                         letter, at most 20: choose another"
                    ),
                );
            }
            if TAKEN.contains(&name.as_str()) {
                return self.refuse(spanned, &format!("the name {name} is not for services: choose another"));
            }
        }
        for stanza in &file.services {
            let database = stanza.database.as_ref();
            if !is_word(database, true) {
                return self.refuse(
                    &stanza.database,
                    &format!(
                        "the database {database:?} is not made of lower-case letters, digits and _, beginning \
                         with a letter, at most 40: choose another name"
                    ),
                );
            }
            if ["postgres", "template0", "template1"].contains(&database.as_str()) {
                return self.refuse(
                    &stanza.database,
                    &format!("the database {database} is the server's own: choose another name"),
                );
            }
        }
        self.unique(names(), "name")?;
        self.unique(file.services.iter().map(|stanza| &stanza.database), "database")?;
        let issuers = file.services.iter().filter_map(|stanza| stanza.issuer.as_ref());
        let mut issuers = issuers.filter(|issuer| *issuer.as_ref());
        if let (Some(_), Some(second)) = (issuers.next(), issuers.next()) {
            return self.refuse(second, "another service signs the tokens already: take issuer out of one");
        }
        for called in file.services.iter().flat_map(|stanza| &stanza.calls) {
            let is_storefront = called.as_ref() == STOREFRONT;
            if !is_storefront && !names().any(|name| name.as_ref() == called.as_ref()) {
                let called_name = called.as_ref();
                return self.refuse(
                    called,
                    &format!(
                        "there is no service {called_name:?} to call: add its stanza, or take it out of calls"
                    ),
                );
            }
        }
        Ok(())
    }

    fn ports(&self, file: &File) -> Result<()> {
        for port in file.services.iter().map(|stanza| &stanza.port) {
            self.port(port, &SERVICE_PORTS)?;
        }
        let tools =
            || file.tools.iter().flat_map(|stanza| [&stanza.port].into_iter().chain(&stanza.smtp_port));
        for port in [&file.relay.port, &file.storefront.port].into_iter().chain(tools()) {
            self.port(port, &OTHER_PORTS)?;
        }
        let services = || file.services.iter().map(|stanza| &stanza.port);
        let others = || services().chain([&file.storefront.port]).chain(tools());
        self.unique(others(), "port")?;
        let first = *file.relay.port.as_ref();
        let last = first + i64::from(MOST_RELAYS) - 1;
        match others().find(|port| (first..=last).contains(port.as_ref())) {
            Some(port) => self.refuse(
                port,
                &format!(
                    "the port {} is among the relays' ({first} to {last}): choose another",
                    port.as_ref()
                ),
            ),
            None => Ok(()),
        }
    }

    fn port(&self, port: &Spanned<i64>, range: &RangeInclusive<i64>) -> Result<()> {
        if range.contains(port.as_ref()) {
            return Ok(());
        }
        let (first, last) = (range.start(), range.end());
        self.refuse(port, &format!("the port {} is not from {first} to {last}: choose one", port.as_ref()))
    }

    fn crates(&self, file: &File) -> Result<()> {
        let services = file.services.iter().map(|stanza| &stanza.binary);
        let all: Vec<_> = services.chain([&file.relay.binary, &file.storefront.binary]).collect();
        self.unique(all.iter().copied().chain(file.tools.iter().map(|stanza| &stanza.binary)), "crate")?;
        for binary in all {
            let name = binary.as_ref();
            let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            if name.is_empty() || !is_name || !(self.has_crate)(name) {
                return self.refuse(
                    binary,
                    &format!("there is no {name}/Cargo.toml: create the crate {name:?}, or correct the name"),
                );
            }
        }
        Ok(())
    }

    fn events(&self, file: &File) -> Result<()> {
        for stanza in &file.services {
            let name = stanza.name.as_ref();
            for event in &stanza.publishes {
                if !is_event_type_of(event.as_ref(), name) {
                    return self.refuse(
                        event,
                        &format!(
                            "{name} cannot publish {:?}: its event types are shop.{name}.<what_happened>.v<n>",
                            event.as_ref()
                        ),
                    );
                }
            }
            self.unique(stanza.publishes.iter(), "event type")?;
            self.unique(stanza.subscribes.iter(), "event type")?;
        }
        let mut published = file.services.iter().flat_map(|stanza| &stanza.publishes);
        for event in file.services.iter().flat_map(|stanza| &stanza.subscribes) {
            if !published.clone().any(|other| other.as_ref() == event.as_ref()) {
                return self.refuse(
                    event,
                    &format!(
                        "no service publishes {}: add it to the publishes of one, or take it out of subscribes",
                        event.as_ref()
                    ),
                );
            }
        }
        if published.next().is_none() && !file.services.is_empty() {
            bail!("{SERVICES_TOML}: no service publishes anything: the relay needs one that does");
        }
        Ok(())
    }

    fn summaries(&self, file: &File) -> Result<()> {
        let services = file.services.iter().map(|stanza| &stanza.summary);
        let is_plain = |text: &str| !text.is_empty() && !text.contains(['"', '\\', '$', '\n']);
        match services
            .chain([&file.relay.summary, &file.storefront.summary])
            .chain(file.tools.iter().map(|stanza| &stanza.summary))
            .find(|text| !is_plain(text.as_ref()))
        {
            Some(summary) => {
                self.refuse(summary, "the summary is not one line without quotes, \\ and $: write one")
            }
            None => Ok(()),
        }
    }

    /// Refuses the second of two equal values.
    fn unique<'v, T: Ord + std::fmt::Display + 'v>(
        &self,
        values: impl Iterator<Item = &'v Spanned<T>>,
        what: &str,
    ) -> Result<()> {
        let mut seen: BTreeMap<&T, &Spanned<T>> = BTreeMap::new();
        for value in values {
            if let Some(first) = seen.insert(value.as_ref(), value) {
                let first_line = line(self.text, first.span().start);
                return self.refuse(
                    value,
                    &format!("the {what} {} is taken by line {first_line}: choose another", value.as_ref()),
                );
            }
        }
        Ok(())
    }

    fn refuse<T>(&self, at: &Spanned<T>, why: &str) -> Result<()> {
        bail!("{SERVICES_TOML} line {}: {why}", line(self.text, at.span().start))
    }
}

fn is_word(text: &str, is_database: bool) -> bool {
    let longest = if is_database { 40 } else { 20 };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (is_database && c == '_');
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(fits) && text.len() <= longest
}

/// Whether this is `shop.<service>.<what_happened>.v<n>`.
fn is_event_type_of(text: &str, service: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [shop, publisher, what, version] = parts[..] else { return false };
    let number = version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
    shop == "shop"
        && publisher == service
        && is_word(&what.replace('_', "a"), true)
        && number.is_some_and(|n| n > 0)
}
