//! The shop's pages: rendered on the server, kept fresh by server-sent events.
//!
//! | module | job |
//! |---|---|
//! | [`browse`] | the catalogue, a product, its picture |
//! | [`cart`] | what the buyer has put in, and the alerts about it |
//! | [`merchant`] | prices and products, for whoever may change them |
//! | [`live`] | the streams that tell open pages what has changed |
//! | [`ops`] | the control room: where events are, and what to do about them |
//! | [`session`] | who visits, what they may do, and forms that only our own pages can send |
//! | [`backends`] | the other services, over HTTP, with deadlines |
//! | [`pages`] | what all pages have in common |
//! | [`startup`] | all of it put together |
//!
//! It has no database and no broker. A page whose service is away says which part is missing.

pub mod backends;
pub mod browse;
pub mod cart;
pub mod live;
pub mod merchant;
pub mod ops;
pub mod pages;
pub mod session;
pub mod settings;
pub mod startup;
