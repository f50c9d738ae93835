//! The report as one page, with a timeline for each run.

use std::fmt::Write;

use crate::run::{Outcome, Point, totals};

/// The size of a timeline, in pixels.
const SIZE: (f64, f64) = (720.0, 90.0);

const STYLE: &str = "
body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fbfbf9}
h1{font-size:1.5rem}h2{font-size:1.05rem;margin:2.2rem 0 .2rem}table{border-collapse:collapse;width:100%;font-size:13px}
td,th{padding:.25rem .5rem;text-align:right;border-bottom:1px solid #e2e2dc}td:first-child,th:first-child{text-align:left}
.pass{color:#1a7f4b}.fail{color:#b3261e;font-weight:600}.void{color:#8a6100}
.about{margin:0;color:#566}figure{margin:.6rem 0}figcaption{font-size:12px;color:#566}
svg{display:block;background:#fff;border:1px solid #e2e2dc}.fault{fill:#f6d9d5}.line{fill:none;stroke-width:1.5}
.pending{stroke:#b3261e}.alerts{stroke:#2458b3}.violations{color:#b3261e;font-size:13px}
@media(prefers-color-scheme:dark){body{color:#dde;background:#14171c}svg{background:#1b1f26;border-color:#333}.fault{fill:#472522}td,th{border-color:#333}.about,figcaption{color:#9aa}.pass{color:#5cc98f}.fail,.violations{color:#f2857c}.void{color:#e0b55a}.pending{stroke:#f2857c}.alerts{stroke:#7ea6f0}}";

/// The whole page.
pub(crate) fn page(seed: u64, outcomes: &[Outcome]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>cargo shop chaos</title><style>{STYLE}</style><h1>What was broken, and what became of it</h1>\
         <p>{}. Seed {seed}.</p>{}",
        totals(outcomes),
        table(outcomes),
    );
    for outcome in outcomes {
        page.push_str(&section(outcome));
    }
    page.push_str("</html>\n");
    page
}

fn table(outcomes: &[Outcome]) -> String {
    let heads = outcomes.first().map(Outcome::columns).unwrap_or_default().map(|(head, _)| head);
    let heads = heads.map(|head| format!("<th scope=\"col\">{head}</th>")).concat();
    let rows: String = outcomes.iter().map(row).collect();
    format!(
        "<table><thead><tr><th scope=\"col\">fault</th>{heads}<th scope=\"col\">verdict</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    )
}

fn row(outcome: &Outcome) -> String {
    let cells = outcome.columns().map(|(_, value)| format!("<td>{value}</td>")).concat();
    let (name, verdict) = (outcome.name, outcome.verdict);
    format!("<tr><td><a href=\"#{name}\">{name}</a></td>{cells}<td class=\"{verdict}\">{verdict}</td></tr>")
}

fn section(outcome: &Outcome) -> String {
    let points = &outcome.timeline.points;
    let end = points.last().map_or(1.0, |point| point.at.max(1.0));
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
    let pending: Vec<(f64, f64)> =
        points.iter().filter_map(|point| Some((point.at, point.pending? as f64))).collect();
    let verdict = outcome.verdict;
    let mut text = format!(
        "<h2 id=\"{name}\">{name} <span class=\"{verdict}\">{verdict}</span></h2><p class=\"about\">{}</p>",
        escaped(outcome.about),
        name = outcome.name,
    );
    for (what, class, line) in
        [("Pending events", "pending", pending), ("Alerts per second", "alerts", rates(points))]
    {
        text.push_str(&chart(what, class, &line, end, outcome));
    }
    if !outcome.violations.is_empty() {
        let items: Vec<String> =
            outcome.violations.iter().map(|text| format!("<li>{}</li>", escaped(text))).collect();
        write!(text, "<ul class=\"violations\">{}</ul>", items.concat()).unwrap_or_default();
    }
    text
}

/// Alerts per second, over a second at a time: the database's figures come about once a second.
fn rates(points: &[Point]) -> Vec<(f64, f64)> {
    let known: Vec<(f64, i64)> = points.iter().filter_map(|point| Some((point.at, point.alerts?))).collect();
    let each = known.windows(5).filter_map(|window| {
        let ((from, before), (to, now)) = (window.first()?, window.last()?);
        #[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
        let rate = (now - before).max(0) as f64 / (to - from).max(0.001);
        Some((*to, rate))
    });
    each.collect()
}

fn chart(what: &str, class: &str, line: &[(f64, f64)], end: f64, outcome: &Outcome) -> String {
    let most = line.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let (injected, healed) = (outcome.timeline.injected, outcome.timeline.healed);
    let (left, right) = (injected / end * SIZE.0, healed / end * SIZE.0);
    let (width, height) = SIZE;
    let point = |(at, value): &(f64, f64)| {
        format!("{:.1},{:.1}", (at / end).min(1.0) * width, height - 2.0 - value / most * (height - 8.0))
    };
    let points = line.iter().map(point).collect::<Vec<_>>().join(" ");
    format!(
        "<figure><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{what} during {}\">\
         <rect class=\"fault\" x=\"{left:.1}\" y=\"0\" width=\"{:.1}\" height=\"{height}\"/>\
         <polyline class=\"line {class}\" points=\"{points}\"/></svg><figcaption>{what}, at most {most:.0}, over {end:.0} s; \
         the fault lasted from {injected:.1} s to {healed:.1} s</figcaption></figure>",
        outcome.name,
        (right - left).max(1.0),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
