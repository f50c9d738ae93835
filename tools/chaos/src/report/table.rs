//! The table at the end.

use comfy_table::{CellAlignment, Table, presets};

use crate::run::{Broken, Outcome, Row, Verdict};

/// Prints one line for each fault, and each broken promise after it.
pub(crate) fn print_table(outcomes: &[Outcome]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "fault", "seen", "ok", "failed", "unknown", "repeats", "lost", "twice", "order", "wrong", "p50 s",
        "p99 s", "verdict",
    ]);
    for outcome in outcomes {
        let seconds = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        table.add_row([
            outcome.name.clone(),
            outcome.seen.to_string(),
            outcome.ok.to_string(),
            outcome.failed.to_string(),
            outcome.unknown.to_string(),
            outcome.repeats.to_string(),
            outcome.lost.to_string(),
            outcome.twice.to_string(),
            outcome.out_of_order.to_string(),
            outcome.wrong_at_rest.to_string(),
            seconds(outcome.recovery_p50_s),
            seconds(outcome.recovery_p99_s),
            outcome.verdict.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Pass) {
        println!("{}: {}", outcome.name, outcome.verdict);
        for violation in &outcome.violations {
            println!("    {violation}");
        }
    }
    let with = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let (pass, fail, void) = (with(Verdict::Pass), with(Verdict::Fail), with(Verdict::Void));
    println!("{pass} passed, {fail} failed, {void} void");
}

/// Prints what the suite has reached.
pub(crate) fn print_scoreboard(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["figure", "of", "measured", "must be", "met"]);
    for row in rows {
        table.add_row([
            row.name.to_owned(),
            row.of.to_string(),
            row.measured.clone(),
            row.must_be.clone(),
            if row.met { "yes" } else { "no" }.to_owned(),
        ]);
    }
    println!("{table}");
}

/// Prints whether each missing safety was noticed.
pub(crate) fn print_broken(all: &[Broken]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["without", "fault", "noticed", "as"]);
    for broken in all {
        let noticed = if broken.noticed { "yes" } else { "no" };
        let said = broken.violations.first().cloned().unwrap_or_default();
        table.add_row([broken.without.to_owned(), broken.fault.to_owned(), noticed.to_owned(), said]);
    }
    println!("{table}");
}
