//! The file as it is written, with the place of each value for messages.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;
use toml::Spanned;

use super::{Program, Registry, Service, Tool};
use crate::checkout::SERVICES_TOML;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "service")]
    pub(super) services: Vec<Stanza>,
    pub(super) relay: ProgramStanza,
    pub(super) storefront: ProgramStanza,
    #[serde(rename = "tool", default)]
    pub(super) tools: Vec<ToolStanza>,
}

/// `[[service]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stanza {
    pub(super) name: Spanned<String>,
    #[serde(rename = "crate")]
    pub(super) binary: Spanned<String>,
    pub(super) port: Spanned<i64>,
    pub(super) database: Spanned<String>,
    #[serde(default)]
    pub(super) seeds: bool,
    #[serde(default)]
    pub(super) publishes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) subscribes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) calls: Vec<Spanned<String>>,
    pub(super) issuer: Option<Spanned<bool>>,
    #[serde(default)]
    links: bool,
    pub(super) summary: Spanned<String>,
}

/// `[[tool]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolStanza {
    pub(super) name: Spanned<String>,
    #[serde(rename = "crate")]
    pub(super) binary: Spanned<String>,
    pub(super) port: Spanned<i64>,
    pub(super) smtp_port: Option<Spanned<i64>>,
    pub(super) setting: Spanned<String>,
    file: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    pub(super) summary: Spanned<String>,
}

/// `[relay]` and `[storefront]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProgramStanza {
    #[serde(rename = "crate")]
    pub(super) binary: Spanned<String>,
    pub(super) port: Spanned<i64>,
    pub(super) summary: Spanned<String>,
}

/// Reads the text. The error names the line.
pub(super) fn read(text: &str) -> Result<File> {
    match toml::from_str(text) {
        Ok(file) => Ok(file),
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            let message =
                message.replace("unknown field", "unknown key").replace("missing field", "missing key");
            match error.span() {
                Some(span) => bail!("{SERVICES_TOML} line {}: {message}", line(text, span.start)),
                None => bail!("{SERVICES_TOML}: {message}"),
            }
        }
    }
}

/// The number of the line that has this byte.
pub(super) fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

impl From<File> for Registry {
    fn from(file: File) -> Self {
        Self {
            services: file.services.into_iter().map(Service::from).collect(),
            relay: program(file.relay.binary, &file.relay.port, file.relay.summary),
            storefront: program(file.storefront.binary, &file.storefront.port, file.storefront.summary),
            tools: file.tools.into_iter().map(Tool::from).collect(),
        }
    }
}

impl From<Stanza> for Service {
    fn from(stanza: Stanza) -> Self {
        Self {
            name: stanza.name.into_inner().leak(),
            program: program(stanza.binary, &stanza.port, stanza.summary),
            database: stanza.database.into_inner(),
            seeds: stanza.seeds,
            publishes: plain(stanza.publishes),
            subscribes: plain(stanza.subscribes),
            calls: plain(stanza.calls),
            issuer: stanza.issuer.is_some_and(Spanned::into_inner),
            links: stanza.links,
        }
    }
}

impl From<ToolStanza> for Tool {
    fn from(stanza: ToolStanza) -> Self {
        Self {
            name: stanza.name.into_inner().leak(),
            program: program(stanza.binary, &stanza.port, stanza.summary),
            smtp_port: stanza.smtp_port.as_ref().map(port),
            setting: stanza.setting.into_inner(),
            file: stanza.file,
            settings: stanza.settings.into_iter().collect(),
        }
    }
}

fn program(binary: Spanned<String>, number: &Spanned<i64>, summary: Spanned<String>) -> Program {
    Program { binary: binary.into_inner(), port: port(number), summary: summary.into_inner() }
}

/// The check has made sure that it is one.
fn port(number: &Spanned<i64>) -> u16 {
    u16::try_from(*number.as_ref()).unwrap_or_default()
}

fn plain(list: Vec<Spanned<String>>) -> Vec<String> {
    list.into_iter().map(Spanned::into_inner).collect()
}
