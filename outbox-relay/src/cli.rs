//! The command line.
#![expect(clippy::doc_markdown, reason = "help texts are read on a terminal, not as Markdown")]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use uuid::Uuid;

/// Publishes what services have written to their outboxes, and lets an operator look and steer.
///
/// Settings come from --config, and from the environment over it: APP__BROKER__URL, and for each
/// database APP__DATABASES__{NAME}__URL.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// A TOML file with settings
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do; without a command, `run`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish until told to stop (the default)
    Run,
    /// Show what is pending and what is stuck; exits 1 where somebody should look
    Status,
    /// List events, newest first
    List {
        /// Only those in this state: NotPublished, Published or PublishedFailed
        #[arg(long)]
        state: Option<String>,
        /// Only those of this type
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Only those of this key
        #[arg(long)]
        key: Option<String>,
        /// How many of each database, at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Show one event with its payload
    Show {
        /// The event's id
        id: Uuid,
    },
    /// Put an event that could not be published back in line
    Requeue {
        /// The event's id
        id: Uuid,
    },
    /// Let the later events of a key pass one that could not be published
    Skip {
        /// The event's id
        id: Uuid,
        /// Why, for whoever reads the log later
        #[arg(long)]
        reason: String,
        /// Who decides
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
    },
    /// Ask the running relay whether it is ready; exits 1 when it is not
    Healthcheck,
    /// Print the OpenAPI document of the operator's routes
    Openapi,
}
