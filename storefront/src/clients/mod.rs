//! The other services, over HTTP.

mod accounts;
mod basket;
mod catalog;
mod error;
mod http;
mod lists;
mod mailbox;
mod ordering;

/// The answer of a service, or why there is none.
pub(crate) type Result<T> = std::result::Result<T, ClientError>;

pub(crate) use accounts::{Account, AccountStatus, AccountsClient};
pub(crate) use basket::{Alert, AlertKind, Basket, BasketClient, BasketLine, MAX_QUANTITY};
pub(crate) use catalog::{CatalogClient, Details, Item, ItemFilter, Named, Reservation};
pub(crate) use error::ClientError;
pub(crate) use http::{Client, Request};
pub(crate) use lists::ProductList;
pub(crate) use mailbox::{Mail, MailboxClient};
pub(crate) use ordering::{Address, Order, OrderLine, OrderStatus, OrderingClient, Placing, Step};
