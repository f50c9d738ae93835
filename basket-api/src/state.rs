//! What the routes of the service share.

use std::sync::Arc;

use actix_web::web;
use event_bus::outbox::Notifier;
use service_kit::app::{Data, Service};
use service_kit::sse::StreamPool;
use sqlx::PgPool;

use crate::{
    alerts::{self, hub::Hub, poller},
    baskets,
    digests::Digests,
    lists::Listeners,
    products::{catalog::Catalog, look_up::LookUp},
    public_lists,
    settings::Settings,
};

/// Connections of all streams together: one listens, the others read alerts.
const STREAM_CONNECTIONS: u32 = 4;

/// Makes the state, and starts what passes new alerts on to the open streams.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    alerts::describe_metrics();
    let pool = service.pool()?;
    // A thousand streams that read the same price change do not stand in the way of requests.
    let stream_pool = service.further_pool("streams", STREAM_CONNECTIONS, &[])?;
    service.settings.streams.check()?;
    let hub = Hub::new(service.settings.streams);
    service.background("the poller of alerts", hub.clone().run(stream_pool.clone(), service.stop.clone()));

    let alerts_written = Notifier::start_on(stream_pool.clone(), poller::CHANNEL, service.stop.clone());
    let relays = service.outbox_notifier()?;
    let relays_of_consumer = relays.clone();
    service.after_commit(move || {
        alerts_written.notify();
        relays_of_consumer.notify();
    });
    service.inbox_figure("alertsRaised", |pool| Box::pin(alerts::store::raised(pool)));

    let digest = service.settings.digest;
    digest.check()?;
    let notify = Arc::new(move || relays.notify());
    let digests = web::Data::new(Digests { every_s: digest.every_seconds, notify });
    let catalog = Catalog::new(&service.settings.catalog()?.url)?;
    let look_up = LookUp { pool: pool.clone(), catalog, subscription: service.subscription()? };
    // What happens to a list is told to other modules, in the transaction that it happens in.
    let listeners = web::Data::new(Listeners(vec![public_lists::hear]));
    let shared = (web::Data::new(StreamPool(stream_pool)), web::Data::new(look_up), web::Data::new(hub));
    Ok(Data::new(move |config| {
        let (stream_pool, look_up, hub) = shared.clone();
        config.app_data(web::Data::new(baskets::store::baskets(PgPool::clone(&pool))));
        config
            .app_data(stream_pool)
            .app_data(look_up)
            .app_data(hub)
            .app_data(listeners.clone())
            .app_data(digests.clone());
    }))
}
