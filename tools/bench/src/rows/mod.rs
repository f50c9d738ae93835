//! The rows of the table.

mod cart;
mod committed;
mod drain;
mod fan_out;
mod history;
mod latency;
mod orders;
mod reads;
mod rest;
mod soak;
mod traces;
mod writes;

use std::time::Duration;

use anyhow::Result;
use harness::percentile;
use shop::terminal::Progress;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::cli::{Cli, Section};
use crate::environment::Environment;
use crate::figures::{Row, Target};
use crate::machine::Meter;
use crate::report;

/// Measures what is asked for and reports it; returns whether every target was met.
pub(crate) async fn run(cli: &Cli) -> Result<bool> {
    let progress = Progress::new();
    let mut environment = Environment::open().await?;
    let mut rows: Vec<Row> = Vec::new();
    // What fills tables comes last.
    for (section, what) in [
        (Section::Rest, "at rest, and starting"),
        (Section::Drain, "draining a backlog"),
        (Section::Latency, "from the commit to the consumer"),
        (Section::Cart, "from the request to the cart"),
        (Section::Orders, "from the checkout to the payment"),
        (Section::Writes, "price changes"),
        (Section::Traces, "price changes with and without a collector of traces"),
        (Section::Reads, "pages, products and carts"),
        (Section::FanOut, "one price change over many carts"),
        (Section::History, "a long history, a held transaction, a million pending"),
        (Section::Soak, "soaking"),
    ] {
        if !cli.wants(section) {
            continue;
        }
        progress.say(format!("  … {what}"));
        let environment = &mut environment;
        let measured = match section {
            Section::All => Vec::new(),
            Section::Rest => rest::measure(environment, cli).await?,
            Section::Drain => drain::measure(environment, cli).await?,
            Section::Latency => latency::measure(environment, cli).await?,
            Section::Cart => cart::measure(environment, cli).await?,
            Section::Orders => orders::measure(environment, cli).await?,
            Section::Writes => writes::measure(environment, cli).await?,
            Section::Traces => traces::measure(environment, cli).await?,
            Section::Reads => reads::measure(environment, cli).await?,
            Section::FanOut => fan_out::measure(environment, cli).await?,
            Section::History => history::measure(environment, cli).await?,
            Section::Soak => soak::measure(environment, cli, &progress).await?,
        };
        for row in &measured {
            progress.say(format!("  ✓ {}", report::line(row)));
        }
        rows.extend(measured);
    }
    environment.run_only(&[]).await?;
    report::print(&rows, cli)?;
    Ok(rows.iter().all(Row::is_met))
}

/// Measures something and its ceiling in rounds; returns both, and the share of the machine that other processes
/// took.
async fn rounds<T>(
    environment: &Environment,
    cli: &Cli,
    ours: impl AsyncFn() -> Result<T>,
    ceiling: impl AsyncFn() -> Result<T>,
) -> Result<(Vec<T>, Vec<T>, f64)> {
    let (mut all_ours, mut all_ceilings) = (Vec::new(), Vec::new());
    let meter = Meter::start();
    for _ in 0..cli.rounds() {
        environment.interrupt.check()?;
        all_ours.push(ours().await?);
        all_ceilings.push(ceiling().await?);
    }
    Ok((all_ours, all_ceilings, meter.foreign()))
}

/// Measures latencies, in ms, against a bare loop: a row for p50 and a row for p99, at most so many times the
/// bare loop's.
async fn latencies(
    environment: &Environment,
    cli: &Cli,
    name: &str,
    most: [f64; 2],
    ours: impl AsyncFn() -> Result<Vec<f64>>,
    bare: impl AsyncFn() -> Result<Vec<f64>>,
) -> Result<[Row; 2]> {
    let (ours, bare, foreign) = rounds(environment, cli, ours, bare).await?;
    let row = |label: &str, percent: usize, most: f64| {
        let each =
            |all: &[Vec<f64>]| all.iter().filter_map(|one| percentile(one, percent)).collect::<Vec<_>>();
        let (ours, bare) = (each(&ours), each(&bare));
        Row::against(
            format!("{name}, {label}"),
            "ms",
            (&ours, &bare),
            "bare loop",
            Target::AtMost(most),
            foreign,
        )
    };
    Ok([row("p50", 50, most[0]), row("p99", 99, most[1])])
}

/// Does something until it works once: a service that has just started opens its connections first, which
/// may take longer than its clients wait where the machine is busy.
async fn warm_up<T>(act: impl AsyncFn() -> Result<T>) -> Result<()> {
    for _ in 0..5 {
        if act().await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    act().await.map(drop)
}

/// Calls `act` so many times a second, whether the last call has returned or not; returns what the calls
/// returned.
async fn paced<T: Send + 'static, F: Future<Output = Result<T>> + Send + 'static>(
    rate: u32,
    time: Duration,
    act: impl Fn(usize) -> F,
) -> Result<Vec<T>> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let count = (time.as_secs_f64() * f64::from(rate)) as usize;
    let mut calls = JoinSet::new();
    for n in 0..count {
        ticks.tick().await;
        calls.spawn(act(n));
    }
    calls.join_all().await.into_iter().collect()
}
