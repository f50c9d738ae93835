//! The `ordering-api` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ordering_api::app().main().await
}
