//! What the routes of the service share.

use std::sync::Arc;

use actix_web::web;
use service_kit::app::{Data, Service};
use service_kit::link_token::LinkKey;

use crate::keys::Published;
use crate::limits::Limits;
use crate::passwords::Hasher;
use crate::sessions::{self, Sessions};
use crate::settings::Settings;
use crate::users::Users;

/// Makes the state.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    sessions::describe_metrics();
    let Settings { links, passwords, sign_in } = service.settings.clone();
    sign_in.check()?;
    let mode = service.common.mode;
    let (pool, hasher) = (service.pool()?, Hasher::new(&passwords)?);
    let relays = service.outbox_notifier()?;
    let notify = move || relays.notify();
    service.after_commit(notify.clone());

    let users = web::Data::new(Users {
        pool: pool.clone(),
        hasher: hasher.clone(),
        links: LinkKey::new(&links, mode)?,
        notify: Arc::new(notify),
    });
    let sessions = web::Data::new(Sessions {
        pool: pool.clone(),
        hasher,
        auth: service.common.auth.clone(),
        lifetime: sign_in.token_lifetime(),
        before_validation: sign_in.is_before_validation(mode),
    });
    let limits = web::Data::new(Limits::new(sign_in));
    let (looking, stop) = (limits.clone(), service.stop.clone());
    service.background("the look-up of proxies", async move {
        stop.run_until_cancelled(looking.trusted.look_up()).await.unwrap_or_default();
    });
    let published = web::Data::new(Published::new(pool, mode)?);
    Ok(Data::new(move |config| {
        config.app_data(users.clone()).app_data(sessions.clone());
        config.app_data(limits.clone()).app_data(published.clone());
    }))
}
