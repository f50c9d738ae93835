//! One SVG a row.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use shop::home::checkout;

use super::short;
use crate::figures::Row;
use crate::machine::description;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 220.0;
const BAR: f64 = 26.0;

/// Writes the charts to `docs/bench`, with the machine that they are from.
pub(super) fn write(rows: &[Row]) -> Result<()> {
    let dir = checkout().join("docs/bench");
    fs::create_dir_all(&dir).context("cannot create docs/bench")?;
    for row in rows {
        let name: String =
            row.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let name =
            name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_lowercase();
        fs::write(dir.join(format!("{name}.svg")), draw(row)).context("cannot write a chart")?;
    }
    Ok(())
}

fn draw(row: &Row) -> String {
    let mut bars = vec![("ours".to_owned(), row.ours.median, Some((row.ours.low, row.ours.high)), "#2a6f97")];
    if let Some((ceiling, what)) = row.ceiling {
        bars.push((what.to_owned(), ceiling.median, Some((ceiling.low, ceiling.high)), "#a9a9a9"));
    }
    bars.extend(row.growth.iter().map(|(of, value)| (of.clone(), *value, None, "#61a5c2")));
    let highest =
        bars.iter().map(|(_, value, spread, _)| spread.map_or(*value, |(_, high)| high)).fold(1e-9, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / highest;
    let height = 76.0 + bars.len() as f64 * (BAR + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{}</text>\n",
        escaped(&format!("{} ({})", row.name, row.unit))
    );
    let mut y = 40.0;
    for (label, value, spread, colour) in bars {
        let (middle, width) = (y + BAR / 2.0, value * scale);
        // Writing to a string cannot fail.
        let _ok = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n",
            LEFT - 8.0,
            middle + 5.0,
            escaped(&label)
        );
        let mut end = LEFT + width;
        if let Some((low, high)) = spread {
            let (low, high) = (LEFT + low * scale, LEFT + high * scale);
            let _ok = writeln!(
                svg,
                "<line x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle:.0}\" y2=\"{middle:.0}\" stroke=\"black\"/>"
            );
            end = end.max(high);
        }
        let _ok =
            writeln!(svg, "<text x=\"{:.0}\" y=\"{:.0}\">{}</text>", end + 6.0, middle + 5.0, short(value));
        y += BAR + 8.0;
    }
    let ratio = row.ratio().map(|ratio| format!("ratio {ratio:.2}, ")).unwrap_or_default();
    let met = if row.is_met() { "met" } else { "not met" };
    let foreign = row.foreign_cpu * 100.0;
    let foot = format!("{ratio}target {} {met}; foreign CPU {foreign:.0} %; {}", row.target, description());
    let _ok = writeln!(
        svg,
        "<text x=\"10\" y=\"{:.0}\" font-size=\"11\" fill=\"#555\">{}</text>\n</svg>",
        y + 16.0,
        escaped(&foot)
    );
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
