//! The programs of an older release, built from the history of this repository.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use harness::Programs;
use shop::{
    home::checkout,
    suite::build_with,
    terminal::{Interrupt, Progress},
};

/// Builds the programs of a tag or commit, of the last release's tag when none is named, under `target/releases/`.
/// The first time takes as long as a first build of the shop.
pub(crate) fn build_release(revision: Option<&str>, interrupt: &Interrupt) -> Result<Programs> {
    let checkout = checkout();
    let revision = match revision {
        Some(revision) => revision.to_owned(),
        None => git(&checkout, &["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]).context(
            "this checkout has no tag of a release: git fetch --tags, or name a commit with --from",
        )?,
    };
    let commit =
        git(&checkout, &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")])
            .with_context(|| format!("{revision} is no tag and no commit of this checkout"))?;
    let folder = checkout.join("target/releases").join(&commit);
    let source = folder.join("source");
    if !source.is_dir() {
        unpack(&checkout, &commit, &folder, &source)?;
    }
    let progress = Progress::new();
    progress.say(format!("  … building the programs of {revision}"));
    let target = folder.join("target");
    let options = ["--target-dir", target.to_str().context("the checkout's path is not UTF-8")?];
    progress.hold(|| build_with(&source, &[], &options, interrupt))
}

/// The files of a commit; all of them or none.
fn unpack(checkout: &Path, commit: &str, folder: &Path, source: &Path) -> Result<()> {
    let (archive, partial) = (folder.join("source.tar"), folder.join("partial"));
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    let path = |path: &Path| path.to_str().map(ToOwned::to_owned).context("the checkout's path is not UTF-8");
    git(checkout, &["archive", "--format=tar", "--output", &path(&archive)?, commit])?;
    let unpacked = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&partial).status();
    ensure!(unpacked.context("cannot run tar")?.success(), "tar cannot unpack {}", archive.display());
    fs::rename(&partial, source).with_context(|| format!("cannot make {}", source.display()))?;
    fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
}

/// What git writes.
fn git(checkout: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git").current_dir(checkout).args(args).stdin(Stdio::null()).output();
    let output = output.context("cannot run git")?;
    if !output.status.success() {
        bail!("git {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
