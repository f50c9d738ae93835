//! The `basket-api` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    basket_api::app().main().await
}
