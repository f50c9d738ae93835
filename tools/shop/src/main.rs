//! `cargo shop`: runs, breaks, tests and shows the suite on one machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop::run()
}
