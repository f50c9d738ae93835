//! `cargo shop token`.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;

use crate::cli::TokenArgs;
use crate::terminal;
use crate::token;

/// Prints a token. The suite need not be up.
pub(super) fn run(args: &TokenArgs) -> Result<ExitCode> {
    let TokenArgs { sub, scope, expires_in, secret } = args;
    terminal::say(if *secret {
        token::issue_with_secret(SystemTime::now(), sub, scope, *expires_in)?
    } else {
        token::issue(sub, scope, *expires_in)?
    });
    Ok(ExitCode::SUCCESS)
}
