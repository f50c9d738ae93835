//! The command line.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::registry::{CLUSTER, MOST_BASKETS, MOST_RELAYS, Name, Registry};
use crate::servers::Choice;
use crate::token::{Lifetime, Scope};

/// Runs the whole shop on this machine, and lets you break it.
///
/// Everything it starts is private to this checkout: servers and services listen on loopback ports
/// of their own, and their data, logs and addresses are under .shop/.
#[derive(Debug, Parser)]
#[command(name = "cargo shop", bin_name = "cargo shop", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build and start everything, wait until it is ready, and say what to try
    Up(UpArgs),
    /// Stop everything that `up` started; data, logs and ports are kept
    Down,
    /// Show what runs, where, and whether it is well; exit code 1 if something that should run does not
    Status,
    /// Kill one process without warning (SIGKILL)
    Kill {
        /// A process of `cargo shop status`, such as catalog, relay, relay-2, rabbitmq-2 or postgres
        #[arg(value_parser = process)]
        name: Name,
    },
    /// Stop one process where it is (SIGSTOP), as a machine that hangs would
    Freeze {
        /// A process of `cargo shop status`, such as catalog, relay, relay-2, rabbitmq-2 or postgres
        #[arg(value_parser = process)]
        name: Name,
    },
    /// Let a frozen process go on
    Thaw {
        /// A process of `cargo shop status`, such as catalog, relay, relay-2, rabbitmq-2 or postgres
        #[arg(value_parser = process)]
        name: Name,
    },
    /// Start one process again
    Start {
        /// A process of `cargo shop status`, such as catalog, relay, relay-2, rabbitmq-2 or postgres
        #[arg(value_parser = process)]
        name: Name,
        /// The servers that `up` was told to run.
        #[command(flatten)]
        servers: Choice,
    },
    /// Show what the processes wrote
    Logs(LogsArgs),
    /// Take the README's pictures of the pages that are up, in a real browser
    Pictures,
    /// Stop everything and clear its data, logs, passwords and ports
    Reset,
    /// Print a token for a buyer or an operator
    Token(TokenArgs),
    /// Run every test of the workspace against private servers of their own
    Test(TestArgs),
    /// Try the relay's decisions in many schedules of faults, in memory and in virtual time
    Simulate(SimulateArgs),
    /// Write docker-compose.yml, contracts/asyncapi.json and the files in deploy/ (image, roles, definitions,
    /// Prometheus, Kubernetes) from services.toml
    Generate,
    /// Measure the suite against its ceilings, on private servers of its own
    Bench {
        /// Rows and options of the bench, such as drain --quick or all --json; --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        options: Vec<String>,
    },
    /// Ask of the services everything that their OpenAPI documents allow and forbid, on private servers;
    /// or make up inputs of the code that reads what arrives from outside
    Fuzz(FuzzArgs),
    /// Check the licences and sources of the dependencies, and write the bill of materials
    SupplyChain(SupplyChainArgs),
    /// Tell the suite's two stories with real calls, in less than a minute
    Demo,
    /// Break everything on purpose, on private servers, and check that every promise was kept
    #[command(disable_help_flag = true)]
    Chaos {
        /// What to break: list, run NAME…, relay, all and more, see `cargo shop chaos --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// The process of this name in the checkout's registry.
fn process(text: &str) -> anyhow::Result<Name> {
    Registry::of_checkout()?.process(text)
}

/// One node, or a cluster in which one may be away.
fn brokers(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(nodes) if nodes == 1 || nodes == CLUSTER => Ok(nodes),
        _ => Err(format!("RabbitMQ has 1 node, or {CLUSTER} of which one may be away")),
    }
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Return when everything is ready, instead of staying to watch
    #[arg(long)]
    pub detach: bool,
    /// How many nodes RabbitMQ has, 1 or 3; as many as the shop's data is on when left out, at first 1
    #[arg(long, value_name = "N", value_parser = brokers)]
    pub brokers: Option<u8>,
    /// How many baskets to run: one consumes, the others stand by
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_BASKETS)))]
    pub baskets: u8,
    /// How many relays to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_RELAYS)))]
    pub relays: u8,
    /// Run optimised builds
    #[arg(long)]
    pub release: bool,
    /// The servers to run.
    #[command(flatten)]
    pub servers: Choice,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Whose log; all of them when left out
    #[arg(value_parser = process)]
    pub name: Option<Name>,
    /// Go on showing what is written, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 40)]
    pub lines: usize,
}

/// Arguments of `token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Who the token is for: a buyer's id, or any name for an operator
    pub sub: String,
    /// What it allows: catalog:write, orders:ship, ops; several separated by spaces or given several times
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<Scope>,
    /// How long it is good for: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1d")]
    pub expires_in: Lifetime,
    /// Sign with the development secret (HS256), for a service that runs without accounts
    #[arg(long)]
    pub secret: bool,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Run only tests whose name contains one of these
    pub filter: Vec<String>,
    /// The servers to run.
    #[command(flatten)]
    pub servers: Choice,
    /// Do not install a browser where it is missing; the tests of pages fail without one
    #[arg(long)]
    pub no_browser: bool,
    /// Options of the runner (`cargo nextest run`, else `cargo test`), such as -E 'package(shop)'
    #[arg(last = true, value_name = "RUNNER OPTION")]
    pub runner: Vec<String>,
}

/// Arguments of `fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Code to fuzz instead of the services: a program in tests/fuzz/targets/; needs a nightly toolchain
    #[arg(value_name = "TARGET", value_parser = ["envelope", "payloads", "tokens"], conflicts_with_all = ["cases", "seed"])]
    pub targets: Vec<String>,
    /// How long to fuzz each target
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), requires = "targets")]
    pub minutes: u32,
    /// The most requests that are made up for one operation, in each of the phases
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub cases: u32,
    /// Make up the same requests as the run that printed this seed
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u128>,
}

/// Arguments of `supply-chain`.
#[derive(Debug, Args)]
pub struct SupplyChainArgs {
    /// Build everything anew without a network as well: nothing may be fetched while building
    #[arg(long)]
    pub build: bool,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Options of the simulation, such as --seeds 1000000 or --seed 42; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    pub options: Vec<String>,
}
