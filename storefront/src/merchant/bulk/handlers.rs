//! The preview of a batch, and the page of its progress.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;
use service_kit::problem::{Problem, Query};
use service_kit::server::Stopping;
use uuid::Uuid;

use super::batch::{Batch, Count, Progress, Row};
use super::percent::{Percent, PercentError};
use super::{Batches, worker};
use crate::browse::FilterForm;
use crate::clients::{CatalogClient, Item, ItemFilter};
use crate::kept::Keep;
use crate::live::{Signal, respond};
use crate::pages::{Answer, Change, Frame, Section, Visit, html, see_other};
use crate::session::{CATALOG_WRITE, Nothing, Posted};

/// The most products of a batch.
const MAX_PRODUCTS: u64 = 2_000;

/// Products that are read at once.
const PAGE: u8 = 100;

/// Products that are shown.
const SHOWN: usize = 50;

/// The shortest time between two signals to a page.
const PACE: Duration = Duration::from_millis(200);

pub(in crate::merchant) fn routes(config: &mut web::ServiceConfig) {
    config.service(show_preview).service(start).service(show).service(stream).service(retry);
}

#[derive(Deserialize)]
struct Plan {
    #[serde(flatten)]
    products: FilterForm,
    percent: String,
    /// The batch's id; only in the form that starts the batch.
    #[serde(default)]
    id: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "merchant/preview.html")]
struct PreviewPage {
    frame: Frame,
    plan: Plan,
    id: Uuid,
    /// What the batch would change, or why it cannot start.
    preview: Result<Preview, String>,
}

struct Preview {
    percent: Percent,
    count: usize,
    rows: Vec<RowView>,
}

#[derive(Template)]
#[template(path = "merchant/batch.html")]
struct BatchPage {
    frame: Frame,
    batch: Arc<Batch>,
    count: Count,
    rows: Vec<RowView>,
}

/// A product of a batch, as it is shown.
struct RowView {
    row: Row,
    change: Change,
}

impl RowView {
    fn new(row: Row) -> Self {
        Self { change: Change::new(row.old, row.new, &row.currency), row }
    }
}

/// Shows what a percentage would change.
#[get("/merchant/batches/new")]
async fn show_preview(visit: Visit, Query(plan): Query<Plan>) -> Answer {
    visit.allowed(CATALOG_WRITE)?;
    let frame = visit.frame("Change many prices", Section::Merchant).await;
    let preview = match plan.percent.parse::<Percent>() {
        Err(error) => Err(error.to_string()),
        Ok(percent) => collect(&visit.shop.catalog, &plan.products.filter()).await.map(|items| Preview {
            percent,
            count: items.len(),
            rows: items.iter().take(SHOWN).map(|item| RowView::new(Row::new(item, percent))).collect(),
        }),
    };
    let status = if preview.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    html(status, &PreviewPage { frame, plan, id: Uuid::new_v4(), preview })
}

/// Starts a batch, once for each id.
#[post("/merchant/batches")]
async fn start(visit: Visit, Posted(plan): Posted<Plan>, batches: web::Data<Batches>) -> Answer {
    let user = visit.allowed(CATALOG_WRITE)?;
    let id = plan.id.unwrap_or_else(Uuid::new_v4);
    if batches.kept.find(id, &user.name).is_none() {
        let percent: Percent =
            plan.percent.parse().map_err(|error: PercentError| Problem::unprocessable(error.to_string()))?;
        let items =
            collect(&visit.shop.catalog, &plan.products.filter()).await.map_err(Problem::unprocessable)?;
        match batches.kept.keep(id, &user.name, Batch::new(id, percent, &items)) {
            Keep::New(batch) => run(&visit, &batches, &batch, false)?,
            Keep::Known => {}
            Keep::Full => {
                let detail = "Too many batches are running: wait until one of them is complete.";
                return Err(Problem::conflict(detail));
            }
        }
    }
    Ok(see_other(&format!("/merchant/batches/{id}")))
}

#[get("/merchant/batches/{id}")]
async fn show(visit: Visit, id: web::Path<Uuid>, batches: web::Data<Batches>) -> Answer {
    let batch = find(&visit, &batches, *id)?;
    let mut rows = batch.rows();
    // The failed changes need attention, so they come first.
    rows.sort_by_key(|row| !row.is_failed());
    let rows = rows.into_iter().take(SHOWN).map(RowView::new).collect();
    let frame = visit.frame("Change many prices", Section::Merchant).await;
    html(StatusCode::OK, &BatchPage { frame, count: batch.count(), rows, batch })
}

/// Tells an open page about the progress of its batch.
#[get("/merchant/batches/{id}/stream")]
async fn stream(
    visit: Visit,
    id: web::Path<Uuid>,
    batches: web::Data<Batches>,
    stopping: web::Data<Stopping>,
) -> Answer {
    let batch = find(&visit, &batches, *id)?;
    Ok(respond(visit.user()?, &stopping, |signals| async move {
        let mut changes = batch.subscribe();
        loop {
            let is_running = batch.is_running();
            if !signals.send(Signal::Changed).await || !is_running || changes.changed().await.is_err() {
                break;
            }
            tokio::time::sleep(PACE).await;
        }
        signals.send(Signal::Over).await;
    }))
}

/// Tries the failed changes again.
#[post("/merchant/batches/{id}/again")]
async fn retry(visit: Visit, id: web::Path<Uuid>, _: Posted<Nothing>, batches: web::Data<Batches>) -> Answer {
    let batch = find(&visit, &batches, *id)?;
    run(&visit, &batches, &batch, true)?;
    Ok(see_other(&format!("/merchant/batches/{id}")))
}

fn find(visit: &Visit, batches: &Batches, id: Uuid) -> Result<Arc<Batch>, Problem> {
    let user = visit.allowed(CATALOG_WRITE)?;
    batches.kept.find(id, &user.name).ok_or_else(|| {
        Problem::not_found(
            "There is no such batch, or the shop's pages were restarted since. The prices that it changed stay changed.",
        )
    })
}

fn run(visit: &Visit, batches: &Batches, batch: &Arc<Batch>, again: bool) -> Result<(), Problem> {
    let user = visit.allowed(CATALOG_WRITE)?.clone();
    if batch.start() {
        let catalog = visit.shop.catalog.clone();
        actix_web::rt::spawn(worker::run(Arc::clone(batch), catalog, user, again, batches.stop.clone()));
    }
    Ok(())
}

/// All products that match the filter, or why a batch cannot have them.
async fn collect(catalog: &CatalogClient, filter: &ItemFilter) -> Result<Vec<Item>, String> {
    let mut items: Vec<Item> = Vec::new();
    for page in 0.. {
        let found = catalog.list(filter, page, PAGE).await.map_err(|error| error.message())?;
        if found.count > MAX_PRODUCTS {
            return Err(format!(
                "The filter matches {} products: a batch has at most {MAX_PRODUCTS}.",
                found.count
            ));
        }
        let is_last = found.data.len() < usize::from(PAGE);
        items.extend(found.data);
        if is_last || items.len() as u64 >= MAX_PRODUCTS {
            break;
        }
    }
    if items.is_empty() { Err("No product has such a name, type and brand.".to_owned()) } else { Ok(items) }
}
