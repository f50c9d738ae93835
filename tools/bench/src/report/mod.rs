//! The table, the JSON and the charts.

mod chart;

use anyhow::Result;
use comfy_table::{Cell, Table};
use serde_json::{Value, json};
use shop::terminal::say;

use crate::cli::Cli;
use crate::figures::Row;
use crate::machine::{QUIET, description};

/// Prints all rows, and writes the charts if asked to.
pub(crate) fn print(rows: &[Row], cli: &Cli) -> Result<()> {
    if cli.charts {
        chart::write(rows)?;
    }
    if cli.json {
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        say(format!("{:#}", json!({"machine": description(), "rows": rows})));
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["", "ours", "spread", "ceiling", "ratio", "target", "", "foreign CPU"]);
    for row in rows {
        let ceiling = row.ceiling.map(|(figure, what)| format!("{} ({what})", short(figure.median)));
        let mark = if row.foreign_cpu > QUIET { " !" } else { "" };
        table.add_row([
            Cell::new(&row.name),
            Cell::new(format!("{} {}", short(row.ours.median), row.unit)),
            Cell::new(format!("{}–{}", short(row.ours.low), short(row.ours.high))),
            Cell::new(ceiling.unwrap_or_default()),
            Cell::new(row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default()),
            Cell::new(row.target),
            Cell::new(if row.is_met() { "met" } else { "not met" }),
            Cell::new(format!("{:.0} %{mark}", row.foreign_cpu * 100.0)),
        ]);
    }
    say(format!("{table}\n{}", description()));
    if rows.iter().any(|row| row.foreign_cpu > QUIET) {
        say("! other processes kept the machine busy meanwhile: take these figures for what they are");
    }
    Ok(())
}

/// One row in a line.
pub(crate) fn line(row: &Row) -> String {
    let ratio = row.ratio().map(|ratio| format!(", {ratio:.2} of the ceiling")).unwrap_or_default();
    let met = if row.is_met() { "" } else { ", NOT MET" };
    let (value, unit, foreign) = (short(row.ours.median), row.unit, row.foreign_cpu * 100.0);
    format!("{}: {value} {unit}{ratio} (target {}{met}; foreign CPU {foreign:.0} %)", row.name, row.target)
}

fn as_json(row: &Row) -> Value {
    json!({
        "name": row.name,
        "ours": row.ours.median,
        "spread": [row.ours.low, row.ours.high],
        "ceiling": row.ceiling.map(|(figure, _)| figure.median),
        "ceiling_is": row.ceiling.map(|(_, what)| what),
        "ratio": row.ratio(),
        "unit": row.unit,
        "target": row.target.to_string(),
        "met": row.is_met(),
        "foreign_cpu": row.foreign_cpu,
        "growth": row.growth.iter().map(|(of, value)| json!({"of": of, "value": value})).collect::<Vec<_>>(),
    })
}

/// A number with about three digits.
fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
