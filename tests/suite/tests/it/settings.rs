//! `docs/settings.md` is what the programs themselves say about their settings.

use std::{collections::BTreeMap, fmt::Write, path::Path, process::Command};

use suite_tests::path_of;

/// What stands above the tables.
const HEAD: &str = "# Settings

Every setting of every program, with its default. Settings come from the file that `--config` names, and from the environment, which
wins. The environment may also name a file that holds a value: `APP__AUTH__SECRET_FILE=/run/secrets/auth`. *Required* is a setting
where its section is given. Each program prints its own: `outbox-relay config --example` is a file to begin with.

This page is generated: `UPDATE_SETTINGS=1 cargo shop test -- -E 'test(settings_md)'`.

## Of several programs

| setting | environment | default | | programs |
|---|---|---|---|---|
";

/// The names of the columns, and the line below them.
const HEAD_LINES: usize = 2;

const PROGRAMS: [&str; 8] = [
    "outbox-relay",
    "catalog-api",
    "basket-api",
    "ordering-api",
    "payment-processor",
    "accounts-api",
    "notifier",
    "storefront",
];

#[test]
fn settings_md_lists_every_setting_of_every_program_with_its_default() {
    let tables = PROGRAMS.map(|program| (program, table(program)));
    let mut programs_of = BTreeMap::<&str, Vec<&str>>::new();
    for (program, table) in &tables {
        rows(table).for_each(|row| programs_of.entry(row).or_default().push(program));
    }
    let mut page = HEAD.to_owned();
    for (row, programs) in programs_of.iter().filter(|(_, programs)| programs.len() > 1) {
        writeln!(page, "{row} {} |", in_words(programs)).unwrap();
    }
    for (program, table) in &tables {
        let head = table.lines().take(HEAD_LINES);
        let own: Vec<&str> = head.chain(rows(table).filter(|row| programs_of[row].len() == 1)).collect();
        write!(page, "\n## {program}\n\n{}\n", own.join("\n")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "docs/settings.md is out of date: see its head");
}

/// These programs, or all but some, whichever is shorter.
fn in_words(programs: &[&str]) -> String {
    let others: Vec<&str> = PROGRAMS.into_iter().filter(|program| !programs.contains(program)).collect();
    match others[..] {
        [] => "all".to_owned(),
        [..] if others.len() < programs.len() => format!("all but {}", others.join(", ")),
        [..] => programs.join(", "),
    }
}

/// A table without its head.
fn rows(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip(HEAD_LINES)
}

/// The settings of a program, as a table.
fn table(program: &str) -> String {
    let output = Command::new(path_of(program)).args(["config", "--markdown"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
