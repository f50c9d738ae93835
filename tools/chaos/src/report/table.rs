//! The table at the end.

use comfy_table::{CellAlignment, Table, presets};
use shop::terminal::say;

use crate::run::{Broken, Outcome, Row, Verdict, totals};

/// A table with this head.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(head);
    table
}

/// Prints one line for each fault, and each broken promise after it.
pub(crate) fn print_table(outcomes: &[Outcome]) {
    let Some(first) = outcomes.first() else { return };
    let head: Vec<&str> = std::iter::once("fault")
        .chain(first.columns().map(|(head, _)| head))
        .chain(std::iter::once("verdict"))
        .collect();
    let mut table = table(&head);
    for outcome in outcomes {
        let mut row = vec![outcome.name.to_owned()];
        row.extend(outcome.columns().map(|(_, value)| value));
        row.push(outcome.verdict.to_string());
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    say(table.to_string());
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Pass) {
        say(format!("{}: {}", outcome.name, outcome.verdict));
        for violation in &outcome.violations {
            say(format!("    {violation}"));
        }
    }
    say(totals(outcomes));
}

/// Prints what the suite has reached.
pub(crate) fn print_scoreboard(rows: &[Row]) {
    let mut table = table(&["figure", "of", "measured", "must be", "met"]);
    for row in rows {
        table.add_row([
            row.name.to_owned(),
            row.of.to_string(),
            row.measured.clone(),
            row.must_be.clone(),
            if row.met { "yes" } else { "no" }.to_owned(),
        ]);
    }
    say(table.to_string());
}

/// Prints whether each missing safety was noticed.
pub(crate) fn print_broken(all: &[Broken]) {
    let mut table = table(&["without", "fault", "noticed", "as"]);
    for broken in all {
        let noticed = if broken.noticed { "yes" } else { "no" };
        let said = broken.violations.first().cloned().unwrap_or_default();
        table.add_row([broken.without.to_owned(), broken.fault.to_owned(), noticed.to_owned(), said]);
    }
    say(table.to_string());
}
