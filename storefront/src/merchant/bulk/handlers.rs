//! From a percentage to a batch, and the page that shows how far it is.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::{Problem, Query};
use service_kit::server::Stopping;
use uuid::Uuid;

use super::batch::{Batch, Count, Progress, Row};
use super::percent::Percent;
use super::{Batches, worker};
use crate::backends::{Item, ItemFilter, Trouble};
use crate::browse::FilterForm;
use crate::live::{Signal, respond};
use crate::pages::{Change, Frame, Money, Section, Shop, Visit, html, see_other};
use crate::session::{CATALOG_WRITE, Nothing, Posted};

/// The most products of one batch.
const MOST: u64 = 2_000;

/// Products that are asked for at once.
const CHUNK: u8 = 100;

/// Products that are shown one by one.
const SHOWN: usize = 50;

/// How often a page is told, at most.
const PACE: Duration = Duration::from_millis(200);

/// Adds the routes.
pub(in crate::merchant) fn routes(config: &mut web::ServiceConfig) {
    config.service(show_plan).service(begin).service(show).service(stream).service(try_again);
}

#[derive(Debug, Clone, Deserialize)]
struct Plan {
    #[serde(default)]
    name: String,
    #[serde(default)]
    type_id: String,
    #[serde(default)]
    brand_id: String,
    percent: String,
    /// Only where it is sent: the batch's id.
    #[serde(default)]
    id: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "merchant/preview.html")]
struct PreviewPage {
    frame: Frame,
    plan: Plan,
    id: Uuid,
    /// What would happen; else, why nothing can.
    preview: Result<Preview, String>,
}

struct Preview {
    percent: Percent,
    count: usize,
    rows: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "merchant/batch.html")]
struct BatchPage {
    frame: Frame,
    batch: Arc<Batch>,
    count: Count,
    rows: Vec<Shown>,
}

/// A product of a batch, as it is shown.
struct Shown {
    row: Row,
    change: Change,
}

impl Shown {
    fn new(row: Row) -> Self {
        let money = |amount| Money::new(amount, &row.currency);
        Self { change: Change { old: money(row.old), new: money(row.new) }, row }
    }

    fn fault(&self) -> Option<&str> {
        if let Progress::Failed { reason, .. } = &self.row.progress { Some(reason) } else { None }
    }

    fn is_done(&self) -> bool {
        self.row.progress == Progress::Done
    }
}

/// Shows what a percentage would do, before anything is done.
#[get("/merchant/batches/new")]
async fn show_plan(visit: Visit, Query(plan): Query<Plan>) -> Result<HttpResponse, Problem> {
    visit.allowed(CATALOG_WRITE)?;
    let frame = visit.frame("Change many prices", Section::Merchant).await;
    let preview = match plan.percent.parse::<Percent>() {
        Err(error) => Err(error.to_string()),
        Ok(percent) => collect(&visit.shop, &plan.filter()).await.map(|items| Preview {
            percent,
            count: items.len(),
            rows: items.iter().take(SHOWN).map(|item| Shown::new(Row::new(item, percent))).collect(),
        }),
    };
    let status = if preview.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    html(status, &PreviewPage { frame, plan, id: Uuid::new_v4(), preview })
}

/// Begins a batch, once for each id.
#[post("/merchant/batches")]
async fn begin(
    visit: Visit,
    Posted(plan): Posted<Plan>,
    batches: web::Data<Batches>,
) -> Result<HttpResponse, Problem> {
    let user = visit.allowed(CATALOG_WRITE)?;
    let id = plan.id.unwrap_or_else(Uuid::new_v4);
    if batches.find(id, &user.name).is_none() {
        let percent: Percent = plan
            .percent
            .parse()
            .map_err(|error: super::percent::PercentError| Problem::unprocessable(error.to_string()))?;
        let items = collect(&visit.shop, &plan.filter()).await.map_err(Problem::unprocessable)?;
        let batch = batches.keep(Batch::new(id, &user.name, percent, &items)).ok_or_else(|| {
            Problem::conflict("Too many batches are running: wait until one of them is over.")
        })?;
        start(&visit, &batches, &batch, false)?;
    }
    Ok(see_other(&format!("/merchant/batches/{id}")))
}

#[get("/merchant/batches/{id}")]
async fn show(
    visit: Visit,
    id: web::Path<Uuid>,
    batches: web::Data<Batches>,
) -> Result<HttpResponse, Problem> {
    let batch = find(&visit, &batches, *id)?;
    let mut rows = batch.rows();
    // What failed is what somebody has to look at; the others in the order of the list.
    rows.sort_by_key(|row| !matches!(row.progress, Progress::Failed { .. }));
    let rows = rows.into_iter().take(SHOWN).map(Shown::new).collect();
    let frame = visit.frame("Change many prices", Section::Merchant).await;
    html(StatusCode::OK, &BatchPage { frame, count: batch.count(), rows, batch })
}

/// Tells an open page how far its batch is.
#[get("/merchant/batches/{id}/stream")]
async fn stream(
    visit: Visit,
    id: web::Path<Uuid>,
    batches: web::Data<Batches>,
    stopping: web::Data<Stopping>,
) -> Result<HttpResponse, Problem> {
    let batch = find(&visit, &batches, *id)?;
    let stopping = stopping.0.clone();
    Ok(respond(async move |signals| {
        let mut turns = batch.watch();
        let telling = async {
            loop {
                let is_over = !batch.count().is_running;
                if !signals.send(Signal::Changed).await || is_over || turns.changed().await.is_err() {
                    break;
                }
                tokio::time::sleep(PACE).await;
            }
            signals.send(Signal::Over).await;
        };
        stopping.run_until_cancelled(telling).await;
    }))
}

/// Tries again what has failed.
#[post("/merchant/batches/{id}/again")]
async fn try_again(
    visit: Visit,
    id: web::Path<Uuid>,
    _: Posted<Nothing>,
    batches: web::Data<Batches>,
) -> Result<HttpResponse, Problem> {
    let batch = find(&visit, &batches, *id)?;
    start(&visit, &batches, &batch, true)?;
    Ok(see_other(&format!("/merchant/batches/{id}")))
}

fn find(visit: &Visit, batches: &Batches, id: Uuid) -> Result<Arc<Batch>, Problem> {
    let user = visit.allowed(CATALOG_WRITE)?;
    batches.find(id, &user.name).ok_or_else(|| {
        Problem::not_found(
            "There is no such batch, or these pages were started anew since. Prices that it has changed stay changed.",
        )
    })
}

fn start(visit: &Visit, batches: &Batches, batch: &Arc<Batch>, again: bool) -> Result<(), Problem> {
    let user = visit.allowed(CATALOG_WRITE)?.clone();
    if batch.begin() {
        let catalog = visit.shop.catalog.clone();
        actix_web::rt::spawn(worker::run(Arc::clone(batch), catalog, user, again, batches.ending.clone()));
    }
    Ok(())
}

/// All products that the filter lets through, or why that cannot be.
async fn collect(shop: &Shop, filter: &ItemFilter) -> Result<Vec<Item>, String> {
    let told = |trouble: Trouble| trouble.sentence();
    let mut items: Vec<Item> = Vec::new();
    for page in 0.. {
        let found = shop.catalog.list(filter, page, CHUNK).await.map_err(told)?;
        if found.count > MOST {
            return Err(format!("These are {} products: a batch has at most {MOST}.", found.count));
        }
        let is_last = found.data.len() < usize::from(CHUNK);
        items.extend(found.data);
        if is_last || items.len() as u64 >= MOST {
            break;
        }
    }
    if items.is_empty() { Err("No product has such a name, type and brand.".to_owned()) } else { Ok(items) }
}

impl Plan {
    fn filter(&self) -> ItemFilter {
        let (name, type_id, brand_id) = (self.name.clone(), self.type_id.clone(), self.brand_id.clone());
        FilterForm { name, type_id, brand_id, page: String::new() }.filter()
    }
}
