//! `.shop/env`: addresses and tokens for scripts, as lines `NAME=value` that a shell can read in.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

use super::{Home, write_private};

/// The variables, in the order they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile(Vec<(String, String)>);

impl EnvFile {
    /// Adds a variable. A value that a shell would take apart is refused.
    pub fn set(&mut self, name: &str, value: String) -> Result<()> {
        let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/@%+=,".contains(c);
        if !value.chars().all(harmless) {
            bail!("{name} cannot be written to .shop/env: it would need quotes");
        }
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        self.0.iter().flat_map(|(name, value)| [name, "=", value, "\n"]).collect()
    }

    /// Writes it, readable by its owner only.
    pub fn save(&self, home: &Home) -> Result<()> {
        write_private(&home.dir().join("env"), self.text().as_bytes())
    }

    /// Reads the variables back.
    pub fn load(home: &Home) -> Result<BTreeMap<String, String>> {
        let path = home.dir().join("env");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}: cargo shop up writes it", path.display()))?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
