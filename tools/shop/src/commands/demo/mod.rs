//! `cargo shop demo`: two stories, of a price and of orders.

mod api;
mod checkout;
mod narrator;
mod orders;
mod story;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::up;
use crate::cli::UpArgs;
use crate::home::{Home, Lock};
use crate::servers::Choice;
use crate::suite::{State, Suite};
use crate::terminal::{self, Interrupt};

/// Tells the story, bringing the suite up before if it is not, and leaves the suite as it was found: running.
///
/// May be told any number of times: every time there is another buyer, and prices are put back.
pub(super) fn run() -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let home = Home::of_checkout();
    // An `up` that is at work is waited for: two would start everything twice.
    let mut lock = Lock::take(&home, &interrupt)?;
    let suite = match Suite::of_home(&home)? {
        Some(suite) if suite.is_up()? => suite,
        _ => {
            terminal::complain("The shop is not up yet; bringing it up first.");
            drop(lock);
            let servers = Choice::of_the_environment();
            up::run(&UpArgs { detach: true, brokers: None, baskets: 1, relays: 1, release: false, servers })?;
            lock = Lock::take(&home, &interrupt)?;
            Suite::open()?
        }
    };
    start_what_is_down(&suite, &interrupt).context("the demo needs everything running")?;
    drop(lock);

    let told = story::tell(&suite, &interrupt);
    if told.is_err() {
        // It may have ended between the relay's death and its return. Ctrl-C stops the
        // story, not this.
        start_what_is_down(&suite, &Interrupt::default())?;
    }
    told?;
    Ok(ExitCode::SUCCESS)
}

fn start_what_is_down(suite: &Suite, interrupt: &Interrupt) -> Result<()> {
    for name in suite.names() {
        if !matches!(suite.state(name)?, State::Running(_)) {
            if suite.registry.program(name).is_none() {
                bail!("{name} does not run: cargo shop start {name}");
            }
            terminal::complain(format!("  … starting {name}, which was down"));
            suite.start_service(name, interrupt)?;
        }
    }
    Ok(())
}
