//! The command line.

use clap::{Parser, ValueEnum};

/// Measures the suite against its ceilings, on private servers of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo shop bench", bin_name = "cargo shop bench", max_term_width = 100)]
pub(crate) struct Cli {
    /// What to measure; everything when left out
    #[arg(value_enum, value_name = "ROW")]
    pub(crate) rows: Vec<Section>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Few rounds with small numbers: to see that it works, not how fast
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each figure is measured [default: 5, quick: 2]
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// How many published rows the log has in `history` [default: 10,000,000, quick: 200,000]
    #[arg(long)]
    pub(crate) history: Option<i64>,
    /// Write the charts of docs/bench anew
    #[arg(long)]
    pub(crate) charts: bool,
    /// How long `soak` lasts
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) minutes: u64,
}

/// A group of rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// Everything but the soak
    All,
    /// A backlog of 50,000, and three relays
    Drain,
    /// From a commit to a consumer, at 100 and 1,000 a second
    Latency,
    /// From a request to the cart and the alert, at 100 a second and as fast as it goes
    Cart,
    /// From the checkout to the payment, at 50 a second and as fast as it goes
    Orders,
    /// Price changes over HTTP
    Writes,
    /// Price changes with spans exported, and with none
    Traces,
    /// Pages, products and carts over HTTP
    Reads,
    /// One price change over 1 to 100,000 carts; a product in no cart
    FanOut,
    /// Draining with a long history, a held transaction, a million pending; memory meanwhile
    History,
    /// At rest, and starting
    Rest,
    /// 70 % of the highest rate, with kills, for --minutes
    Soak,
}

impl Cli {
    /// Whether these rows are asked for.
    pub(crate) fn wants(&self, section: Section) -> bool {
        let all = self.rows.is_empty() || self.rows.contains(&Section::All);
        self.rows.contains(&section) || all && section != Section::Soak
    }

    /// How often each figure is measured.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    /// A number that quick runs have a tenth of.
    pub(crate) fn scaled(&self, number: i64) -> i64 {
        if self.quick { (number / 10).max(1) } else { number }
    }

    /// How long one measurement by time takes, in seconds.
    pub(crate) fn seconds(&self) -> u64 {
        if self.quick { 2 } else { 3 }
    }
}
