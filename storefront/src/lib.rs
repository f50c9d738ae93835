//! The shop's pages, rendered on the server and renewed by server-sent events.
//!
//! | module | job |
//! |---|---|
//! | `browse` | the catalogue, a product, its picture |
//! | `cart` | the buyer's cart and its price alerts |
//! | `lists` | the buyer's lists, and the public ones |
//! | `orders` | checkout, the buyer's orders, shipping |
//! | `mail` | the mailbox of development |
//! | `merchant` | prices and products, for merchants |
//! | `ops` | the control room, for operators |
//! | `account` | registering, the link from the mail, the profile |
//! | `sign_in` | signing in and out |
//! | `kept` | what forms have started in this process |
//! | `live` | the streams that tell open pages what has changed |
//! | `pages` | what all pages have in common |
//! | `session` | the user, the session cookie, forms of this site |
//! | `clients` | the other services, over HTTP |
//! | `chart` | lines in SVG |
//!
//! This service has no database and no broker. A page whose service is unavailable shows which part is missing.

mod account;
mod browse;
mod cart;
mod chart;
mod clients;
mod kept;
mod lists;
mod live;
mod mail;
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
                .configure(account::routes)
                .configure(browse::routes)
                .configure(cart::routes)
                .configure(orders::routes)
                .configure(lists::routes)
                .configure(live::routes)
                .configure(mail::routes)
                .configure(merchant::routes)
                .configure(ops::routes)
        });
    })
}
