//! What traces cost: where spans are exported, as far as the exporter keeps up, and where none is.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context, Result, ensure};
use event_bus::TraceContext;
use event_bus::span::{Span, SpanKind};
use harness::Name;

use super::warm_up;
use super::writes::change_price;
use crate::cli::Cli;
use crate::environment::{Environment, Load, closed_loop};
use crate::figures::{Row, Target};
use crate::machine::{Meter, ticks_of};

const CLIENTS: usize = 16;

/// The most that an export of spans may have, in bytes.
const EXPORT: usize = 16 * 1024 * 1024;

/// What the collector has taken so far, in bytes.
static TAKEN: AtomicU64 = AtomicU64::new(0);

pub(super) async fn measure(environment: &mut Environment, cli: &Cli) -> Result<Vec<Row>> {
    let collector = collector()?;
    let exported = [("APP__TRACES__ENDPOINT", collector.as_str()), ("APP__TRACES__SAMPLE_RATIO", "1")];
    let (mut on, mut off, mut steps, mut changes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let meter = Meter::start();
    for _ in 0..cli.rounds() {
        environment.interrupt.check()?;
        let taken = TAKEN.load(Ordering::Relaxed);
        on.push(price_changes(environment, cli, &exported).await?.0);
        ensure!(TAKEN.load(Ordering::Relaxed) > taken, "the catalog has exported no spans");
        let (rate, processor) = price_changes(environment, cli, &[]).await?;
        off.push(rate);
        changes.push(processor);
        steps.push(step_without_collector());
    }
    let foreign = meter.foreign();
    Ok(vec![
        Row::against(
            format!("price changes with spans exported, {CLIENTS} clients"),
            "requests/s",
            (&on, &off),
            "without a collector",
            Target::AtLeast(0.7),
            foreign,
        ),
        Row::against(
            "the announcement's step of a trace without a collector",
            "ns",
            (&steps, &changes),
            "the catalog's processor time for a change",
            Target::AtMost(0.01),
            foreign,
        ),
    ])
}

/// Price changes a second of a catalog with these settings, and the processor time that it takes for one, in ns.
async fn price_changes(
    environment: &mut Environment,
    cli: &Cli,
    settings: &[(&str, &str)],
) -> Result<(f64, f64)> {
    environment.clear_log().await?;
    environment.run_only(&[]).await?;
    environment.launch(Name::CATALOG, settings)?;
    environment.service(Name::CATALOG)?.until_ready().await?;
    let (port, pid) = (environment.port(Name::CATALOG)?, environment.pid(Name::CATALOG)?);
    let load = Load { clients: CLIENTS, time: Duration::from_secs(cli.seconds()) };
    let token = environment.token.clone();
    let next = move |n| change_price(&token, n);
    warm_up(async || closed_loop(port, load, next.clone()).await).await?;
    let (begun, ticks) = (Instant::now(), ticks_of(pid));
    let rate = closed_loop(port, load, next).await?;
    let count = rate * begun.elapsed().as_secs_f64();
    Ok((rate, (ticks_of(pid) - ticks) as f64 * 1e7 / count))
}

/// What a step of a trace that is not recorded takes, in ns.
fn step_without_collector() -> f64 {
    const TIMES: u32 = 1_000_000;
    let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", None);
    let trace = trace.unwrap_or_default();
    let begun = Instant::now();
    for _ in 0..TIMES {
        let describe = || (String::from("step"), Vec::new());
        drop(black_box(Span::within(black_box(&trace), SpanKind::Producer, describe)));
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}

/// Starts a collector that takes every export and keeps none; its address.
fn collector() -> Result<String> {
    let app = || {
        let take = |body: Bytes| async move {
            TAKEN.fetch_add(body.len() as u64, Ordering::Relaxed);
            HttpResponse::Ok().finish()
        };
        App::new().app_data(PayloadConfig::new(EXPORT)).default_service(web::to(take))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().context("the collector has no address")?;
    tokio::spawn(server.run());
    Ok(format!("http://{address}"))
}
