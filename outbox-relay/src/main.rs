//! Publishes the pending events of any number of outboxes, and gives operators their tools.

mod admin;
mod cli;
mod relay;
mod serve;
mod settings;
mod source;
mod store;

use std::process::ExitCode;

use clap::Parser;

/// A message is many small pieces, allocated by one thread and freed by another. With this allocator the relay needs
/// a fifth less processor time than with the system's (docs/performance.md, "Draining").
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            service_kit::output::complain(&format!("outbox-relay: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
