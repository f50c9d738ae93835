//! The HTTP server: limits, deadlines, health, metrics, documentation, and a clean end.

mod body;
mod connections;
mod documentation;
mod edge;
mod fallback;
mod operations;
mod problem_page;
mod readiness;
mod refusals;

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::auth::Verifier;
use crate::problem;
use crate::settings::HttpSettings;
use crate::telemetry;

use connections::Connections;

pub use documentation::document;
pub use problem_page::ProblemPage;
pub use readiness::Readiness;

/// How often the recorder tidies up what histograms have collected.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long a connection that is being closed goes on throwing away what its client still sends.
const LINGER: Duration = Duration::from_secs(2);
/// How often connections are looked through for those that are held for nothing.
const PATROL: Duration = Duration::from_secs(1);

/// What a service says about itself.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The service's name, as in `catalog-api`.
    pub name: &'static str,
    /// The title of its documentation.
    pub title: &'static str,
    /// One or two sentences for its documentation.
    pub description: &'static str,
    /// The version of the build.
    pub version: &'static str,
    /// Where it listens when nothing is configured.
    pub default_port: u16,
}

/// Cancelled when the service stops: a stream takes what it sends `until` this, and so ends cleanly
/// instead of holding the shutdown up. Handlers get it as `web::Data<Stopping>`.
#[derive(Debug, Clone)]
pub struct Stopping(pub CancellationToken);

/// A server that listens, and serves once it is [run](Server::run).
pub struct Server {
    name: &'static str,
    address: SocketAddr,
    inner: actix_web::dev::Server,
    recorder: PrometheusHandle,
    connections: Connections,
    stop: CancellationToken,
}

impl Server {
    /// Listens on the configured address.
    ///
    /// `routes` is called once for each worker thread: it adds the service's data and routes, and
    /// everything added through it is in the documentation. `stop` ends the server: no new
    /// connections, [`Stopping`] for streams, and a bounded time for the requests that run.
    pub fn bind<F>(
        settings: &HttpSettings,
        about: About,
        verifier: Verifier,
        readiness: Readiness,
        routes: F,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self>
    where
        F: Fn(&mut ServiceConfig<'_>) + Clone + Send + 'static,
    {
        settings.check()?;
        let recorder = telemetry::recorder()?;
        telemetry::build_info(about.version);
        let limits = settings.clone();
        let shared = (web::Data::new(verifier), web::Data::new(readiness), web::Data::new(recorder.clone()));
        let stopping = Stopping(stop.clone());
        let server = HttpServer::new(move || {
            let routes = routes.clone();
            let (verifier, readiness, recorder) = shared.clone();
            let (app, document) = App::new()
                .into_utoipa_app()
                .openapi(documentation::base(&about))
                .app_data(verifier)
                .app_data(readiness)
                .app_data(recorder)
                .app_data(web::Data::new(stopping.clone()))
                .app_data(problem::path_config())
                // The edge has checked the length already; actix's own lower limit must not apply.
                .app_data(web::PayloadConfig::new(limits.body_limit_bytes))
                .configure(routes)
                .configure(operations::routes)
                .split_for_parts();
            let document = refusals::documented(document);
            let methods = fallback::Methods::of(&document);
            app.service(documentation::redirect)
                .service(documentation::pages(document))
                .app_data(web::Data::new(methods))
                .default_service(web::to(fallback::no_route))
                .wrap(from_fn(edge::serve))
                .app_data(limits.clone())
        });
        let addresses = (settings.host.as_str(), settings.port.unwrap_or(about.default_port));
        let addresses: Vec<SocketAddr> = addresses
            .to_socket_addrs()
            .with_context(|| format!("setting http.host: cannot find {:?}", settings.host))?
            .collect();
        let workers = settings.worker_count();
        let connections = Connections::new(settings);
        let entrance = connections.clone();
        let server = server
            .workers(workers)
            .max_connections((connections::make_room(settings.max_connections) / workers).max(1))
            .on_connect(move |stream, data| entrance.enter(stream, data))
            .client_request_timeout(Duration::from_millis(settings.header_timeout_ms))
            .client_disconnect_timeout(LINGER)
            .keep_alive(Duration::from_millis(settings.idle_timeout_ms))
            .shutdown_timeout(settings.shutdown_timeout_seconds)
            .shutdown_signal(stop.clone().cancelled_owned())
            .bind(addresses.as_slice())
            .with_context(|| {
                format!("cannot listen on {addresses:?}: set APP__HTTP__PORT to a port that is free")
            })?;
        let address = server.addrs().first().copied().context("the server has no address")?;
        let inner = server.run();
        Ok(Self { name: about.name, address, inner, recorder, connections, stop: stop.clone() })
    }

    /// Where the server listens; tells the port when the configured one was 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled and the requests that run are done, or their time is over.
    pub async fn run(self) -> anyhow::Result<()> {
        tracing::info!(service = self.name, address = %self.address, "listening");
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP);
            while self.stop.run_until_cancelled(ticks.tick()).await.is_some() {
                self.recorder.run_upkeep();
            }
        };
        let patrol = async {
            let mut ticks = tokio::time::interval(PATROL);
            while self.stop.run_until_cancelled(ticks.tick()).await.is_some() {
                self.connections.end_idle();
            }
        };
        let (served, (), ()) = tokio::join!(self.inner, upkeep, patrol);
        served.context("the server failed")?;
        tracing::info!(service = self.name, "stopped");
        Ok(())
    }
}
