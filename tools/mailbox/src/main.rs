//! The `mailbox` process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    mailbox::app().main().await
}
