//! What the routes of the service share.

use actix_web::web;
use service_kit::app::{Data, Service};

use crate::live::Hub;
use crate::pages::{PROBLEM_PAGE, Shop};
use crate::settings::Settings;
use crate::{merchant, ops};

/// Makes the state. Nothing is connected: the other services may be unavailable, now and later.
pub(crate) fn make(service: &mut Service<Settings>) -> anyhow::Result<Data> {
    let shop = web::Data::new(Shop::new(service)?);
    let hub = web::Data::new(Hub::new(shop.basket.clone(), service.stop.clone()));
    let control_room = web::Data::new(ops::ControlRoom::new(&service.settings, service.common.mode)?);
    let batches = web::Data::new(merchant::Batches::new(service.stop.clone()));
    let origins = web::Data::new(service.common.http.public_origins.clone());
    Ok(Data::new(move |config| {
        config.app_data(origins.clone());
        config.app_data(shop.clone()).app_data(hub.clone()).app_data(control_room.clone());
        config.app_data(batches.clone()).app_data(PROBLEM_PAGE);
    }))
}
