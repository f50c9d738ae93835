//! The `catalog-api` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    catalog_api::app().main().await
}
