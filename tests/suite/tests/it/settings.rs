//! `docs/settings.md` is what the programs themselves say about their settings.

use std::{fmt::Write, path::Path, process::Command};

use suite_tests::path_of;

/// What stands above the tables.
const HEAD: &str = "# Settings

Every setting of every program, with its default. Settings come from the file that `--config` names, and from the environment, which
wins. The environment may also name a file that holds a value: `APP__AUTH__SECRET_FILE=/run/secrets/auth`. Each program prints
its own: `outbox-relay config --example` is a file to begin with.

This page is generated: `UPDATE_SETTINGS=1 cargo shop test -- -E 'test(settings_md)'`.
";

#[test]
fn settings_md_lists_every_setting_of_every_program_with_its_default() {
    let mut page = HEAD.to_owned();
    for program in [
        "outbox-relay",
        "catalog-api",
        "basket-api",
        "ordering-api",
        "payment-processor",
        "accounts-api",
        "notifier",
        "storefront",
    ] {
        let output = Command::new(path_of(program)).args(["config", "--markdown"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        write!(page, "\n## {program}\n\n{}", String::from_utf8(output.stdout).unwrap()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/settings.md is out of date: see its head");
}
