//! Measures the suite against its ceilings, on private servers of its own: `cargo shop bench`.
//!
//! Every row is measured in rounds, and in every round its ceiling is measured too: the same machine at the
//! same time. So the ratios mean something; the absolute figures only describe the machine.
//!
//! | folder | its job |
//! |---|---|
//! | `rows` | one file a row of the table, or a few that share their set-up |
//! | `ceiling` | what is measured against: a bare publisher, a bare loop, pgbench |
//! | `environment` | servers, services, data, load |
//! | `report` | the table, JSON, charts |
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "figures are rounded to three digits in the end"
)]

mod ceiling;
mod cli;
mod environment;
mod figures;
mod machine;
mod report;
mod rows;

use std::process::ExitCode;

use clap::Parser;
use shop::terminal::complain;

/// Exit codes: 0 measured and every target met, 1 not every target met, 2 it could not be measured.
fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("error: {error}"));
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(rows::run(&cli)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
