//! One SVG a row, and a page that shows them all.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use shop::home::checkout;

use super::short;
use crate::figures::Row;
use crate::machine::description;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 40.0;
const BAR: f64 = 24.0;
const GAP: f64 = 8.0;
/// The height of a line over time.
const PLOT: f64 = 150.0;
/// From so many points on, growth is a line rather than bars.
const LINE: usize = 13;

/// Follows the reader's theme.
const STYLE: &str = "text{fill:#1f2328;font-family:system-ui,sans-serif;font-size:13px}\
.t{font-size:16px;font-weight:600}.f{font-size:11px;fill:#59636e}.c{fill:#fff}.e{text-anchor:end}\
.o{fill:#0969da}.b{fill:#8c959f}.g{fill:#54aeff}.s{stroke:#1f2328}.l{fill:none;stroke:#0969da;stroke-width:1.5}\
.a{stroke:#8c959f}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.f{fill:#9198a1}.c{fill:#0d1117}.o{fill:#4493f8}\
.b{fill:#656c76}.g{fill:#1f6feb}.s{stroke:#e6edf3}.l{stroke:#4493f8}}";

/// Writes the charts to `docs/bench`, with the machine that they are from, and the page of all that are there.
pub(super) fn write(rows: &[Row]) -> Result<()> {
    let dir = checkout().join("docs/bench");
    fs::create_dir_all(&dir).context("cannot create docs/bench")?;
    for row in rows {
        fs::write(dir.join(format!("{}.svg", file_name(&row.name))), draw(row))
            .context("cannot write a chart")?;
    }
    fs::write(dir.join("README.md"), page(&dir)?).context("cannot write the page of the charts")
}

fn file_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
}

/// Shows every chart of the directory, also those of other runs.
fn page(dir: &Path) -> Result<String> {
    let entries = fs::read_dir(dir).context("cannot list docs/bench")?;
    let paths = entries.flatten().map(|entry| entry.path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "svg"));
    let mut charts: Vec<String> =
        paths.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    charts.sort();
    let mut page = "# Charts\n\nWritten by `cargo shop bench --charts`; what they mean is in \
                    [performance.md](../performance.md). Each names the machine that it is from.\n"
        .to_owned();
    for chart in charts {
        // Writing to a string cannot fail.
        let _ok = write!(page, "\n![{}]({chart})\n", chart.trim_end_matches(".svg").replace('-', " "));
    }
    Ok(page)
}

struct Bar<'a> {
    label: &'a str,
    value: f64,
    spread: Option<(f64, f64)>,
    class: &'static str,
}

fn draw(row: &Row) -> String {
    let is_line = row.growth.len() >= LINE;
    let spread =
        |figure: crate::figures::Figure| (figure.high > figure.low).then_some((figure.low, figure.high));
    let mut bars = vec![Bar { label: "ours", value: row.ours.median, spread: spread(row.ours), class: "o" }];
    if let Some((ceiling, what)) = row.ceiling {
        bars.push(Bar { label: what, value: ceiling.median, spread: spread(ceiling), class: "b" });
    }
    if !is_line {
        let growth = row.growth.iter();
        bars.extend(growth.map(|(of, value)| Bar { label: of, value: *value, spread: None, class: "g" }));
    }
    let mut body = String::new();
    let mut y = draw_bars(&bars, &mut body);
    if is_line {
        y = draw_line(&row.growth, y, &mut body);
    }
    let ratio = row.ratio().map(|ratio| format!("ratio {ratio:.2}, ")).unwrap_or_default();
    let met = if row.is_met() { "met" } else { "not met" };
    let foreign = row.foreign_cpu * 100.0;
    let title = escaped(&format!("{} ({})", row.name, row.unit));
    let foot = format!("{ratio}target {} {met}; other processes {foreign:.0} % of the CPUs", row.target);
    let (foot, machine) = (escaped(&foot), escaped(&description()));
    let height = y + 44.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"c\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n\
         <text class=\"t\" x=\"12\" y=\"25\">{title}</text>\n{body}\
         <text class=\"f\" x=\"12\" y=\"{:.0}\">{foot}</text>\n\
         <text class=\"f\" x=\"12\" y=\"{:.0}\">{machine}</text>\n</svg>\n",
        y + 16.0,
        y + 32.0,
    )
}

/// Returns where the bars end.
fn draw_bars(bars: &[Bar<'_>], svg: &mut String) -> f64 {
    let highest = bars.iter().map(|bar| bar.spread.map_or(bar.value, |(_, high)| high)).fold(1e-9, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / highest;
    let mut y = TOP;
    for bar in bars {
        let (middle, width) = (y + BAR / 2.0, bar.value * scale);
        let _ok = write!(
            svg,
            "<text class=\"e\" x=\"{:.0}\" y=\"{:.0}\">{}</text>\n\
             <rect class=\"{}\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\n",
            LEFT - 8.0,
            middle + 5.0,
            escaped(bar.label),
            bar.class,
        );
        let mut end = LEFT + width;
        if let Some((low, high)) = bar.spread {
            let (low, high) = (LEFT + low * scale, LEFT + high * scale);
            let _ok = writeln!(
                svg,
                "<path class=\"s\" d=\"M{low:.1} {middle:.0}H{high:.1}M{low:.1} {top:.0}v8M{high:.1} {top:.0}v8\"/>",
                top = middle - 4.0
            );
            end = end.max(high);
        }
        let (x, y_text, value) = (end + 6.0, middle + 5.0, short(bar.value));
        let _ok = writeln!(svg, "<text x=\"{x:.0}\" y=\"{y_text:.0}\">{value}</text>");
        y += BAR + GAP;
    }
    y
}

/// Draws values that were taken one after the other; returns where that ends.
fn draw_line(values: &[(String, f64)], top: f64, svg: &mut String) -> f64 {
    let highest = values.iter().map(|(_, value)| *value).fold(1e-9, f64::max);
    let (bottom, width) = (top + PLOT, WIDTH - LEFT - RIGHT);
    let last = (values.len() - 1).max(1) as f64;
    let point = |(n, (_, value)): (usize, &(String, f64))| {
        format!("{:.1},{:.1}", n as f64 / last * width, PLOT - 2.0 - value / highest * (PLOT - 8.0))
    };
    let points = values.iter().enumerate().map(point).collect::<Vec<_>>().join(" ");
    let (first, last) = (&values[0].0, &values[values.len() - 1].0);
    let _ok = write!(
        svg,
        "<path class=\"a\" d=\"M{LEFT} {bottom:.0}H{right:.0}\"/>\n\
         <polyline class=\"l\" transform=\"translate({LEFT} {top:.0})\" points=\"{points}\"/>\n\
         <text class=\"e\" x=\"{label:.0}\" y=\"{high:.0}\">{most}</text>\n\
         <text class=\"e\" x=\"{label:.0}\" y=\"{bottom:.0}\">0</text>\n\
         <text class=\"f\" x=\"{LEFT}\" y=\"{under:.0}\">{first}</text>\n\
         <text class=\"f e\" x=\"{right:.0}\" y=\"{under:.0}\">{last}</text>\n",
        right = LEFT + width,
        label = LEFT - 8.0,
        high = top + 19.0,
        most = short(highest),
        under = bottom + 14.0,
        first = escaped(first),
        last = escaped(last),
    );
    bottom + 22.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
