//! What the routes of the service share.

use actix_web::web;
use event_bus::outbox::Notifier;
use service_kit::app::{Data, Service};
use service_kit::sse::StreamPool;

use crate::orders::{self, Orders, place::Policy};
use crate::products::{catalog::Catalog, look_up, look_up::LookUp};
use crate::settings::Settings;
use crate::stream::{self, hub::Hub};

/// Connections of all streams together: one listens, the others read changes.
const STREAM_CONNECTIONS: u32 = 4;

/// Makes the state, and starts what tells open streams of changes.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    orders::describe_metrics();
    service.settings.orders.check()?;
    service.settings.streams.check()?;
    stream::describe_metrics();
    look_up::describe_metrics();
    let pool = service.pool()?;
    let stream_pool = service.further_pool("streams", STREAM_CONNECTIONS, &[])?;
    let hub = Hub::new(service.settings.streams);
    service.background("the poller of changes", hub.clone().run(stream_pool.clone(), service.stop.clone()));

    let relays = service.outbox_notifier()?;
    let streams = Notifier::start_on(stream_pool.clone(), stream::CHANNEL, service.stop.clone());
    let notify = move || {
        relays.notify();
        streams.notify();
    };
    service.after_commit(notify.clone());

    let policy = Policy {
        grace_period: service.settings.orders.grace_period(service.common.mode),
        reply_deadline_s: service.settings.orders.reply_deadline_s,
    };
    let catalog = service.settings.catalog.as_ref().map(|catalog| Catalog::new(&catalog.url)).transpose()?;
    let look_up = LookUp { pool: pool.clone(), catalog, subscription: service.subscription()? };
    let look_up = web::Data::new(look_up);
    let orders = web::Data::new(Orders::new(pool, policy, notify));
    let (hub, stream_pool) = (web::Data::new(hub), web::Data::new(StreamPool(stream_pool)));
    Ok(Data::new(move |config| {
        config.app_data(orders.clone()).app_data(look_up.clone());
        config.app_data(hub.clone()).app_data(stream_pool.clone());
    }))
}
