//! A mail server for development, tests and chaos: it keeps what it is sent in memory, shows it, and delivers nothing.
//!
//! | module | job |
//! |---|---|
//! | `server` | listens for SMTP; how many connections there may be |
//! | `session` | one connection: the commands, and what is answered |
//! | `wire` | lines and mails, with their limits and deadlines |
//! | `store` | the newest mails |
//! | `faults` | what it does wrong when it is told to |
//! | `routes` | the same over HTTP |
//! | `pages` | the mails in a browser |

mod faults;
mod pages;
mod routes;
mod server;
mod session;
mod store;
mod wire;

use actix_web::web;
use serde::Deserialize;
use service_kit::app::{About, Data, Service, ServiceApp};
use utoipa::ToSchema;

use faults::Faults;
use store::Store;

/// The settings that only this program has.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it takes mail.
    #[serde(default)]
    pub smtp: SmtpSettings,
}

/// Where it takes mail: on the host of `http.host`.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpSettings {
    /// The port. Default 5162.
    pub port: u16,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self { port: 5162 }
    }
}

/// The program.
pub fn app() -> ServiceApp<Settings> {
    let about = About {
        name: "mailbox",
        title: "Mailbox",
        description: "A mail server for development and tests. Nothing is delivered.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5161,
    };
    ServiceApp::new(about).state(make).routes(|config| {
        routes::routes(config);
        config.map(|config| config.configure(pages::routes));
    })
}

fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    let (store, faults) = (web::Data::new(Store::default()), web::Data::new(Faults::default()));
    let listener = server::bind(&service.common.http.host, service.settings.smtp.port)?;
    let address = web::Data::new(routes::SmtpAddress(listener.local_addr()?));
    let serve = server::serve(listener, store.clone(), faults.clone(), service.stop.clone());
    service.background("the SMTP server", serve);
    Ok(Data::new(move |config| {
        config.app_data(store.clone()).app_data(faults.clone()).app_data(address.clone());
    }))
}
