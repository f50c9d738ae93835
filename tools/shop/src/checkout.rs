//! Where the suite's files are.

use std::path::{Path, PathBuf};

/// The registry of services, relative to the checkout.
pub(crate) const SERVICES_TOML: &str = "services.toml";

/// The root of the checkout: the nearest directory above the present one with a registry of services,
/// or else the one this tool was built in.
pub fn checkout() -> PathBuf {
    let present = std::env::current_dir().unwrap_or_default();
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"));
    present.ancestors().find(|dir| dir.join(SERVICES_TOML).is_file()).unwrap_or(built_in).to_owned()
}
