//! Runs the engine against a log and a broker in memory and in virtual time, while confirmations are lost,
//! relays are killed and frozen between any two steps, and transactions commit late. The same seed gives the
//! same schedule.

mod agenda;
mod database;
mod faults;
mod oracle;
mod relay;
mod requests;
mod world;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

use crate::world::{Outcome, World};

/// Tries the relay's engine in many schedules of faults, in memory and in virtual time.
///
/// Each schedule has one to three relays, writers whose transactions commit late or never, events that
/// cannot be sent, an operator, and up to eight faults: relays killed, frozen or stopped between any two
/// steps, sessions and connections cut, the database or the broker gone or blocked, confirmations lost.
/// Checked: nothing lost, nothing marked that the broker does not have, no key out of order at first
/// publication, no good event marked failed, and everything published in the end.
#[derive(Parser)]
#[command(name = "cargo shop simulate", version)]
struct Cli {
    /// How many schedules to try
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this seed alone and print its timeline
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
}

/// A promise that a part of the world breaks, so that a test can see the checks detect it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only the tests break promises"))]
enum Flaw {
    /// Events are marked published when they are sent.
    MarksUnconfirmed,
    /// The broker confirms what it does not keep.
    ConfirmsAndLoses,
    /// A position counts as decided when a later one was seen, whatever transactions are open.
    TrustsPositions,
    /// Polls do not report that a failed event was requeued.
    IgnoresRequeues,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(seed) = cli.seed {
        return tell(seed);
    }
    let began = Instant::now();
    let mut reported = began;
    let (mut published, mut repeats, mut faults) = (0, 0, 0);
    for count in 0..cli.seeds {
        let seed = cli.from + count;
        let (outcome, _) = World::new(seed, None).run();
        if let Some(violation) = outcome.violation {
            eprintln!("seed {seed}: {violation}\nsee it happen: cargo shop simulate --seed {seed}");
            return ExitCode::FAILURE;
        }
        published += outcome.published;
        repeats += outcome.repeats;
        faults += outcome.faults;
        if reported.elapsed() > Duration::from_secs(2) {
            reported = Instant::now();
            eprintln!("{:>9} of {} schedules", count + 1, cli.seeds);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = cli.seeds as f64 / began.elapsed().as_secs_f64() * 60.0;
    println!(
        "{} schedules, {faults} faults, {published} events published, {repeats} repeats: nothing lost, nothing \
         out of order, nothing marked unconfirmed ({rate:.0} schedules a minute)",
        cli.seeds
    );
    ExitCode::SUCCESS
}

fn tell(seed: u64) -> ExitCode {
    let mut world = World::new(seed, None);
    world.timeline = Some(Vec::new());
    let (Outcome { published, repeats, faults, violation }, timeline) = world.run();
    for line in timeline.unwrap_or_default() {
        println!("{line}");
    }
    println!("seed {seed}: {published} events published, {repeats} repeats, {faults} faults");
    match violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            eprintln!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schedule_of_faults_loses_an_event_or_breaks_the_order_of_a_key() {
        for seed in 1..=20_000 {
            let (outcome, _) = World::new(seed, None).run();
            assert_eq!(outcome.violation, None, "see it happen: cargo shop simulate --seed {seed}");
        }
    }

    #[test]
    fn the_same_seed_is_the_same_schedule() {
        let run = |seed| {
            let mut world = World::new(seed, None);
            world.timeline = Some(Vec::new());
            world.run().1
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    fn is_found(flaw: Flaw) -> bool {
        (1..=20_000).any(|seed| World::new(seed, Some(flaw)).run().0.violation.is_some())
    }

    #[test]
    fn a_relay_that_marks_unconfirmed_events_is_detected() {
        assert!(is_found(Flaw::MarksUnconfirmed));
    }

    #[test]
    fn a_broker_that_loses_confirmed_events_is_detected() {
        assert!(is_found(Flaw::ConfirmsAndLoses));
    }

    #[test]
    fn a_poll_that_trusts_positions_while_transactions_are_open_is_detected() {
        assert!(is_found(Flaw::TrustsPositions));
    }

    #[test]
    fn a_poll_that_misses_a_requeued_event_is_detected() {
        assert!(is_found(Flaw::IgnoresRequeues));
    }
}
