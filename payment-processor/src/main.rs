//! The `payment-processor` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    payment_processor::app().main().await
}
