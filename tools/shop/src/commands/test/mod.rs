//! `cargo shop test`.

mod runner;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::TestArgs;
use crate::private::PrivateServers;
use crate::registry::Registry;
use crate::servers::{Purpose, Tools, install_browser, install_for_tests};
use crate::terminal::{Interrupt, Progress};

/// What to do where there is no browser to be had.
const NO_BROWSER: &str = "the tests of pages need Chromium and Node.js 18 or later (Ubuntu has no package of Chromium): set \
    SHOP_CHROMIUM to a Chromium or Chrome, or leave them out: cargo shop test --no-browser -- -E 'not test(/^pages/)'";

/// Starts servers for this run alone, runs the tests against them, and stops them whatever happens.
///
/// The exit code is the runner's; what the runner prints last is the last that is printed.
pub(super) fn run(args: &TestArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let progress = Progress::new();
    let registry = Registry::of_checkout()?;
    let tools = Tools::find_or_install(&args.servers, &progress, &interrupt)?;
    install_for_tests(&progress, &interrupt)?;
    if !args.no_browser {
        install_browser(&progress, &interrupt).context(NO_BROWSER)?;
    }
    let servers = progress.during(
        "starting PostgreSQL and RabbitMQ for the tests",
        |_| PrivateServers::start(&registry, &tools, Purpose::Test, &[], &interrupt),
        |_| "PostgreSQL and RabbitMQ for the tests are ready".to_owned(),
    )?;
    let code = runner::run(args, &servers.environment()?, &interrupt);
    drop(servers);
    code
}
