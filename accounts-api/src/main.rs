//! The `accounts-api` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    accounts_api::app().main().await
}
