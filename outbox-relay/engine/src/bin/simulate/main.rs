//! Runs the engine against a log and a broker in memory and in virtual time, while confirmations are lost,
//! relays are killed and frozen between any two steps, and transactions commit late. The same seed gives the
//! same schedule.

mod agenda;
mod database;
mod faults;
mod flaw;
mod inspection;
mod oracle;
mod outcome;
mod plan;
mod relay;
mod requests;
mod schedule;
mod world;
mod writers;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;

use crate::{
    outcome::{Counters, Outcome},
    world::World,
};

/// Tries the relay's engine in many schedules of faults, in memory and in virtual time.
///
/// Each schedule has one to three relays, writers whose transactions commit late or never, events that
/// cannot be sent, an operator, and up to eight faults: relays killed, frozen or stopped between any two
/// steps, sessions and connections cut, the database or the broker gone or blocked, confirmations lost, types
/// that the broker refuses or has no room for, a relay that may connect and not publish.
/// Checked: nothing lost, nothing marked that the broker does not have, no key out of order at first
/// publication, no good event marked failed, none held up by another type, no partition owned by a relay
/// without a broker, scheduled events announced once and not before their time, and everything published in the end.
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.seed {
        Some(seed) => run_one(seed),
        None => run_many(cli.from, cli.seeds),
    }
}

/// Runs schedules until one violates an invariant.
fn run_many(from: u64, seeds: u64) -> ExitCode {
    let started = Instant::now();
    let mut reported = started;
    let mut total = Counters::default();
    for count in 0..seeds {
        let seed = from + count;
        let Outcome { counters, violation, .. } = World::new(seed, None).run();
        if let Some(violation) = violation {
            eprintln!("seed {seed}: {violation}\nprint its timeline: cargo shop simulate --seed {seed}");
            return ExitCode::FAILURE;
        }
        total += counters;
        if reported.elapsed() > Duration::from_secs(2) {
            reported = Instant::now();
            eprintln!("{:>9} of {seeds} schedules tried, no violation so far", count + 1);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = seeds as f64 / started.elapsed().as_secs_f64() * 60.0;
    say(&format!("{seeds} schedules tried ({rate:.0} a minute): {total}"));
    say("no event lost, none out of the order of its key, none marked without a confirmation");
    ExitCode::SUCCESS
}

/// Prints a line, unless the reader is gone (`… | head`).
fn say(line: &str) {
    drop(writeln!(io::stdout().lock(), "{line}"));
}

/// Runs one schedule and prints its timeline.
fn run_one(seed: u64) -> ExitCode {
    let Outcome { counters, violation, timeline } = World::new(seed, None).with_timeline().run();
    for line in timeline {
        say(&line);
    }
    say(&format!("seed {seed}: {counters}"));
    let Some(violation) = violation else { return ExitCode::SUCCESS };
    eprintln!("seed {seed}: {violation}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flaw::Flaw;

    #[test]
    fn no_schedule_of_faults_loses_an_event_or_breaks_the_order_of_a_key() {
        for seed in 1..=20_000 {
            let violation = World::new(seed, None).run().violation;
            assert_eq!(violation, None, "print its timeline: cargo shop simulate --seed {seed}");
        }
    }

    #[test]
    fn the_same_seed_is_the_same_schedule() {
        let run = |seed| World::new(seed, None).with_timeline().run().timeline;
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    fn is_detected(flaw: Flaw) -> bool {
        (1..=20_000).any(|seed| World::new(seed, Some(flaw)).run().violation.is_some())
    }

    /// A test for each broken promise.
    macro_rules! detected {
        ($($test:ident: $flaw:ident)*) => {
            $(#[test]
            fn $test() {
                assert!(is_detected(Flaw::$flaw));
            })*
        };
    }

    detected! {
        a_relay_that_marks_unconfirmed_events_is_detected: MarksUnconfirmed
        a_broker_that_loses_confirmed_events_is_detected: ConfirmsAndLoses
        a_poll_that_trusts_positions_while_transactions_are_open_is_detected: TrustsPositions
        a_poll_that_misses_a_requeued_event_is_detected: IgnoresRequeues
        a_relay_that_blames_all_events_in_flight_for_a_closed_channel_is_detected: BlamesAll
        a_relay_that_takes_a_closed_channel_for_a_lost_connection_is_detected: BlamesConnection
        a_relay_that_stops_for_one_full_queue_is_detected: PausesEverything
        a_relay_that_owns_partitions_without_a_broker_is_detected: OwnsWithoutBroker
        a_relay_that_forgets_scheduled_events_is_detected: ForgetsScheduled
        a_scheduled_event_that_is_announced_early_is_detected: MovesEarly
        a_scheduled_event_that_is_announced_twice_is_detected: MovesTwice
    }
}
