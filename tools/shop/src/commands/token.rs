//! `cargo shop token`.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::TokenArgs;
use crate::terminal;
use crate::token;

/// Prints a token. The suite need not be up.
pub(super) fn run(args: &TokenArgs) -> Result<ExitCode> {
    terminal::say(token::issue(&args.sub, &args.scope, args.expires_in)?);
    Ok(ExitCode::SUCCESS)
}
