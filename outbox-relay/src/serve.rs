//! The service: publishing, and the operator's routes beside it.

use actix_web::web;
use service_kit::{
    auth::Verifier,
    server::{About, Readiness, Server},
    shutdown,
    telemetry::{self, traces},
};

use crate::{
    admin::{Sources, http, subscribers::subscribers},
    relay,
    settings::Settings,
    source::PublisherStatus,
};

pub(crate) const ABOUT: About = About {
    name: "outbox-relay",
    title: "Outbox relay",
    description: "Publishes the events in the outboxes of services; these are the operator's routes.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 5150,
};

/// Publishes and serves the operator's routes, until a signal.
pub(crate) async fn run(settings: Settings, sources: Sources) -> anyhow::Result<()> {
    telemetry::init(&settings.log)?;
    let traces = traces::export(&settings.traces, ABOUT.name, ABOUT.version)?;
    let stop = shutdown::on_signal()?;
    settings.relay.check()?;
    let broker = settings.broker.config()?;
    let verifier = Verifier::new(&settings.auth, settings.mode)?;
    let subscribers = web::Data::new(subscribers(&settings.consumers)?);
    let shared = (web::Data::new(sources.clone()), subscribers, web::Data::new(broker.clone()));
    let routes = move |cfg: &mut utoipa_actix_web::service_config::ServiceConfig<'_>| {
        let (sources, subscribers, broker) = shared.clone();
        cfg.app_data(sources).app_data(subscribers).app_data(broker);
        http::routes(cfg);
    };
    let readiness = readiness(&sources);
    let server = Server::bind(&settings.http, ABOUT, verifier, readiness, routes, &stop)?;
    let relaying = relay::run(&sources, &broker, &settings.relay, &stop);
    let (outcome, ()) = tokio::join!(server.run(), relaying);
    traces.end().await;
    outcome
}

/// Ready means: at work on every database, with a connection to the broker.
fn readiness(sources: &Sources) -> Readiness {
    let check = |problem: fn(PublisherStatus) -> Option<String>| {
        let sources = sources.clone();
        move || {
            let mut all = sources.iter();
            std::future::ready(all.try_for_each(|source| match problem(source.status()) {
                Some(problem) => Err(anyhow::anyhow!("{}: {problem}", source.name)),
                None => Ok(()),
            }))
        }
    };
    Readiness::new()
        .check("database", check(|status| status.database_problem))
        .check("broker", check(|status| status.broker_problem))
}
