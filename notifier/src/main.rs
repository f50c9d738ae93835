//! The `notifier` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    notifier::app().main().await
}
