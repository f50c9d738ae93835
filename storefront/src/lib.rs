//! The shop's pages, rendered on the server and renewed by server-sent events.
//!
//! | module | job |
//! |---|---|
//! | `browse` | the catalogue, a product, its picture |
//! | `cart` | the buyer's cart and its price alerts |
//! | `orders` | checkout, the buyer's orders, shipping |
//! | `merchant` | prices and products, for merchants |
//! | `ops` | the control room, for operators |
//! | `sign_in` | signing in and out |
//! | `live` | the streams that tell open pages what has changed |
//! | `pages` | what all pages have in common |
//! | `session` | the user, the session cookie, forms of this site |
//! | `clients` | the other services, over HTTP |
//! | [`chart`] | lines in SVG |
//!
//! This service has no database and no broker. A page whose service is unavailable shows which part is missing.

mod browse;
mod cart;
pub mod chart;
mod clients;
mod live;
mod merchant;
mod ops;
mod orders;
mod pages;
mod session;
pub mod settings;
mod sign_in;
mod state;

use service_kit::app::{About, ServiceApp};

/// The service. It is ready as soon as it serves: its pages say which other service is unavailable.
pub fn app() -> ServiceApp<settings::Settings> {
    let about = About {
        name: "storefront",
        title: "Storefront",
        description: "The shop's pages. What is documented here is only what every service has.",
        version: env!("CARGO_PKG_VERSION"),
        default_port: 5100,
    };
    ServiceApp::new(about).state(state::make).routes(|config| {
        config.map(|config| {
            config
                .configure(pages::routes)
                .configure(sign_in::routes)
                .configure(browse::routes)
                .configure(cart::routes)
                .configure(orders::routes)
                .configure(live::routes)
                .configure(merchant::routes)
                .configure(ops::routes)
        });
    })
}
