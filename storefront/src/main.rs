//! The `storefront` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    storefront::app().main().await
}
