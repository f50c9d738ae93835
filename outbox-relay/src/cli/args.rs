//! The arguments of the command line.
#![expect(clippy::doc_markdown, reason = "help texts are read on a terminal, not as Markdown")]

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use uuid::Uuid;

use crate::store::events::State;

/// Publishes the events in the outboxes of services, and gives operators their tools.
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

/// The command; default `run`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish until stopped (the default)
    Run,
    /// Show pending and failed events; exits 1 where an operator should act
    Status,
    /// List events, newest first: by their position in the log
    List {
        /// Only those in this state
        #[arg(long, value_enum, ignore_case = true)]
        state: Option<State>,
        /// Only those of this type
        #[arg(long = "type", value_name = "TYPE")]
        event_type: Option<String>,
        /// Only those of this key
        #[arg(long)]
        key: Option<String>,
        /// Only those older than this one: where the page before ended
        #[arg(long, value_name = "ID")]
        before: Option<Uuid>,
        /// How many, at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Show one event's timeline: when it was committed, published, and received by each subscriber
    Show {
        /// The event's id
        id: Uuid,
    },
    /// Make failed events pending again: one, or all that match
    Requeue(Which),
    /// Skip failed events, so that the later events of their keys are published: one, or all that match
    Skip {
        #[command(flatten)]
        which: Which,
        /// Why, for whoever reads the log later
        #[arg(long)]
        reason: String,
        /// Who decides
        #[arg(long, env = "USER", default_value = "operator")]
        by: String,
    },
    /// Send published events again, under their own ids and in order; exits 1 if one was not confirmed
    Replay(Replay),
    /// Compare published events with the inboxes of subscribers; exits 1 if any is missing, or is in an inbox
    /// and in no log
    ///
    /// Needs each subscriber's database, APP__CONSUMERS__BASKET__URL for `basket`. A subscriber must have the types
    /// that it is configured for (`events` of its section in the file), or else those that it ever received.
    Audit {
        /// Compare events written at this time or later; default six days ago, since inboxes keep
        /// their rows for seven
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<DateTime<Utc>>,
    },
    /// Begin a new generation of a log that was restored from a backup, and list what subscribers know that the log
    /// does not
    ///
    /// A relay does the first by itself where it can tell: after a dump was restored, a recovery to a point in time,
    /// or a promotion of a standby. Do it by hand after rows were copied back into the table.
    Restore {
        /// Only this database; needed where there are several
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
        /// List events received at this time or later; default six days ago
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<DateTime<Utc>>,
    },
    /// Check that tables, rights, partitions and the broker are as the relay needs them; exits 1 if not
    Check,
    /// Bring the tables of an outbox up to date; needs the database owner's address
    Migrate {
        /// Only this database; needed where there are several
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
    /// Show the events that are scheduled for later, or cancel one
    Scheduled {
        #[command(subcommand)]
        command: ScheduledCommand,
    },
    /// Ask the running relay whether it is ready; exits 1 when it is not
    Healthcheck,
    /// Print every setting with its default, as a TOML file
    Config {
        /// As a TOML file (the default)
        #[arg(long)]
        example: bool,
        /// As a table in Markdown
        #[arg(long, conflicts_with = "example")]
        markdown: bool,
    },
    /// Print the OpenAPI document of the operator's routes
    Openapi,
}

/// Which failed events to decide about.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Which {
    /// The event's id
    #[arg(conflicts_with_all = ["event_type", "key", "all"])]
    pub(crate) id: Option<Uuid>,
    /// All of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// All of this key
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// All that have failed
    #[arg(long, conflicts_with_all = ["event_type", "key"])]
    pub(crate) all: bool,
    /// Only count them
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What to do with scheduled events.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduledCommand {
    /// List them, those that are due first at the top
    List {
        /// How many, at most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
        limit: i64,
    },
    /// Cancel one, so that it is never announced
    Cancel {
        /// Its id
        id: Uuid,
    },
}

/// Which events to send again, and to which queues.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Events written at this time or later, such as 2026-11-22T18:00:00Z; with --missing default six days ago
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "missing")]
    pub(crate) from: Option<DateTime<Utc>>,
    /// Events written before this time; with --missing default now
    #[arg(long, value_name = "TIME", value_parser = time, required_unless_present = "missing")]
    pub(crate) to: Option<DateTime<Utc>>,
    /// Only those of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// Only those of this key
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Only to this queue, as for a new subscriber, instead of to all bound queues; the broker's user
    /// must be allowed to write to the default exchange
    #[arg(long, value_name = "QUEUE")]
    pub(crate) to_queue: Option<String>,
    /// Only those that this subscriber's inbox lacks, as after its database was restored; needs its database,
    /// APP__CONSUMERS__BASKET__URL for `basket`. Other subscribers receive them as repeats, without effect
    #[arg(long, value_name = "CONSUMER")]
    pub(crate) missing: Option<String>,
    /// Only from this database
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Only count them
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn time(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|error| format!("not a time of RFC 3339, such as 2026-11-22T18:00:00Z ({error})"))
}
