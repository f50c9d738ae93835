//! A payment provider for development, tests and chaos: it keeps a ledger, and no money moves.
//!
//! What it does is chosen by the token:
//!
//! | token | what happens |
//! |---|---|
//! | `tok_ok` | charged |
//! | `tok_declined` | declined |
//! | `tok_slow` | charged, answered after 3 s |
//! | `tok_timeout` | charged, and not answered the first time: after 30 s the connection is let go |
//! | `tok_flaky` | answered 500 twice without a charge, then charged |
//!
//! Any other token is declined. A charge and a refund are idempotent by their key. The ledger is a file and survives
//! the process: what was recorded before an answer is there after a kill.

mod ledger;
mod routes;

use std::path::PathBuf;

use actix_web::web;
use serde::Deserialize;
use service_kit::app::{About, Data, Service, ServiceApp};
use utoipa::ToSchema;

pub use ledger::{Charge, Ledger, Wanted};

/// The settings that only this program has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The ledger.
    #[serde(default)]
    pub ledger: LedgerSettings,
}

/// Where the ledger is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerSettings {
    /// The file. Default none: the ledger ends with the process.
    #[schema(value_type = Option<String>, default = json!(null))]
    pub path: Option<PathBuf>,
}

/// The program.
pub fn app() -> ServiceApp<Settings> {
    let about = About {
        name: "payment-sandbox",
        title: "Payment sandbox",
        description: "A payment provider for development and tests. No money moves.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5160,
    };
    ServiceApp::new(about).routes(routes::routes).state(make)
}

fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    let ledger = web::Data::new(Ledger::open(service.settings.ledger.path.as_deref())?);
    Ok(Data::new(move |config| {
        config.app_data(ledger.clone());
    }))
}
