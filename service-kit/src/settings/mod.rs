//! Settings: defaults in code, then an optional TOML file, then the environment.
//!
//! An environment variable is `APP__SECTION__NAME`. A secret may also be given as the path of a
//! file that holds it, as Compose and Kubernetes do: `APP__AUTH__SECRET_FILE=/run/secrets/auth`.

mod broker;
mod origins;
pub mod reference;
mod sections;
mod service;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

pub use broker::BrokerSettings;
pub use origins::Origins;
pub use sections::{
    AuthSettings, DatabaseSettings, HttpSettings, LogFormat, LogSettings, Mode, TracesSettings,
};
pub use service::{CommonSettings, ServiceSettings, load_service, load_service_from};

/// What every variable of ours starts with.
const PREFIX: &str = "APP";
/// What separates a section from the name in it.
const SEPARATOR: &str = "__";
/// The end of a variable that names a file instead of holding the value.
const FILE_SUFFIX: &str = "_FILE";
/// The largest secret file that is read, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;
/// The shortest secret that is accepted, in bytes: as long as what SHA-256 makes of it.
const MIN_SECRET: usize = 32;

/// Reads the settings of this process.
///
/// The error names the setting that is missing, unknown or wrong.
pub fn load<T: DeserializeOwned>(file: Option<&Path>) -> anyhow::Result<T> {
    load_from(file, environment())
}

/// Reads settings from a file and from the given variables instead of the process's environment.
pub fn load_from<T: DeserializeOwned>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<T> {
    deserialize(read(file, variables)?)
}

/// The variables of this process, but for those that are no text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

/// Reads file and variables, without looking at what is in them.
fn read(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<Config> {
    let mut builder = Config::builder();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings file {}", path.display()))?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    // Values stay text until the target type asks for a number: guessing would turn the secret
    // "007" into "7".
    let environment = Environment::with_prefix(PREFIX)
        .separator(SEPARATOR)
        .ignore_empty(true)
        .source(Some(with_secret_files(variables)?));
    builder.add_source(environment).build().context("cannot read the settings")
}

/// Deserializes settings; an error names the setting.
fn deserialize<T: DeserializeOwned>(config: Config) -> anyhow::Result<T> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().to_string();
        if path == "." {
            anyhow::anyhow!("settings: {}", error.inner())
        } else {
            anyhow::anyhow!("setting {path} ({}): {}", variable(&path), error.inner())
        }
    })
}

/// Refuses numbers that are out of their ranges: each as setting, value, least and most. The error names the setting.
pub fn check_ranges(numbers: &[(&str, u64, u64, u64)]) -> anyhow::Result<()> {
    for (setting, value, least, most) in numbers {
        if !(least..=most).contains(&value) {
            bail!("setting {setting} ({}): {value} is not from {least} to {most}", variable(setting));
        }
    }
    Ok(())
}

/// Refuses a secret that is too short, and outside of development mode the published one. The error names the setting.
pub(crate) fn check_secret(setting: &str, secret: &str, published: &str, mode: Mode) -> anyhow::Result<()> {
    ensure!(
        secret.len() >= MIN_SECRET,
        "setting {setting} has {} bytes, at least {MIN_SECRET} are needed",
        secret.len()
    );
    ensure!(
        mode == Mode::Development || secret != published,
        "setting {setting} is the published development secret: set a secret of your own, or APP__MODE=development"
    );
    Ok(())
}

/// The environment variable that sets the setting at `path`.
pub(crate) fn variable(path: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", path.to_uppercase().replace('.', SEPARATOR))
}

/// Replaces each `APP__…_FILE` by the variable that it stands for, with the file's content.
fn with_secret_files(
    variables: impl IntoIterator<Item = (String, String)>,
) -> anyhow::Result<HashMap<String, String>> {
    let start = format!("{PREFIX}{SEPARATOR}");
    let ours: HashMap<String, String> =
        variables.into_iter().filter(|(name, value)| name.starts_with(&start) && !value.is_empty()).collect();
    let mut result = HashMap::with_capacity(ours.len());
    for (name, value) in &ours {
        let Some(target) = name.strip_suffix(FILE_SUFFIX) else {
            result.insert(name.clone(), value.clone());
            continue;
        };
        if ours.contains_key(target) {
            bail!("both {target} and {name} are set: remove one of them");
        }
        let size = std::fs::metadata(value).with_context(|| format!("{name}: cannot read {value}"))?.len();
        if size > MAX_SECRET_FILE {
            bail!("{name}: {value} has {size} bytes, at most {MAX_SECRET_FILE} are read");
        }
        let text = std::fs::read_to_string(value).with_context(|| format!("{name}: cannot read {value}"))?;
        result.insert(target.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(result)
}
