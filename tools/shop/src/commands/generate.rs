//! `cargo shop generate`.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::generate::files;
use crate::home::checkout;
use crate::registry::Registry;
use crate::terminal;

/// Writes every generated file that is not as `services.toml` says.
pub(super) fn run() -> Result<ExitCode> {
    let checkout = checkout();
    for (path, content) in files(&Registry::of(&checkout)?)? {
        let file = checkout.join(&path);
        if fs::read_to_string(&file).is_ok_and(|present| present == content) {
            terminal::say(format!("{path} is up to date"));
            continue;
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        terminal::say(format!("wrote {path}"));
    }
    Ok(ExitCode::SUCCESS)
}
