//! The `payment-sandbox` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    payment_sandbox::app().main().await
}
