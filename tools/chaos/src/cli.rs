//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Breaks the whole suite on purpose, on private servers, and checks that every promise was kept.
#[derive(Debug, Parser)]
#[command(name = "cargo shop chaos", bin_name = "cargo shop chaos", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// What is reported, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReportArgs {
    /// Print the report as JSON instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Write a page with time lines to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// The same seed makes the same schedule; a new one each time when left out
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = fastrand::u64(..1 << 32), hide_default_value = true)]
    pub(crate) seed: u64,
    /// How often each fault is run
    #[arg(long, global = true, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) repeat: u64,
    /// How many faults are run side by side, each with servers of its own; 1, or 2 where there are many faults
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub(crate) parallel: Option<u8>,
    /// Keep the processes' logs in this directory
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) logs: Option<PathBuf>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every fault there is
    List,
    /// Run these faults, or groups of them
    Run {
        /// Names of faults or groups
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Run what concerns the relay, the broker and PostgreSQL
    Relay,
    /// Run what concerns a cluster of three brokers
    Cluster,
    /// Run every fault
    All,
    /// Replace an older release by this one while it works, and take that back
    Upgrade {
        /// The older release: a tag or a commit; the last release's tag when left out
        #[arg(long, value_name = "REVISION")]
        from: Option<String>,
    },
    /// Kill, freeze and end relays at random for a while
    Soak {
        /// How long
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_440))]
        minutes: u64,
        /// How many relays
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
        relays: u8,
    },
    /// Publish very many pending events while relays are killed, frozen and ended
    Flood {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
        events: u32,
    },
    /// Measure the suite against everything that it has to reach
    Scoreboard(ScoreboardArgs),
    /// Remove one safety at a time, and see that the checks notice
    Broken {
        /// Names of safeties; all when nothing is said
        #[arg(value_name = "SAFETY")]
        safeties: Vec<String>,
    },
}

/// What is measured, and how often.
#[derive(Debug, Args)]
pub(crate) struct ScoreboardArgs {
    /// What to measure; everything when nothing is said, which takes more than an hour
    #[arg(value_enum, value_name = "PART")]
    pub(crate) parts: Vec<Part>,
    /// How many measurements of each recovery; a third of it where a server is restarted
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(3..=1_000))]
    pub(crate) repeats: u16,
    /// How many events are pending in the flood, and are handled where some fail
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub(crate) events: u32,
    /// How many malformed messages are sent, and how many malformed requests
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub(crate) hostile: u32,
    /// How many orders are placed while processes are killed
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub(crate) orders: u32,
}

/// A part of the scoreboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Every fault there is, with a flood of events: what was survived, lost, done twice
    Faults,
    /// Queries of a suite that has nothing to do
    Rest,
    /// How fast it recovers
    Recovery,
    /// A type that the broker refuses, a full queue, a relay without a broker: what that costs the others
    Isolation,
    /// Events of which one per cent fails for a while, and some for good
    Order,
    /// Orders while relays, payments and ordering are killed: their invariants
    Orders,
    /// Malformed messages and requests, and attempts without the right to them
    Hostile,
}
