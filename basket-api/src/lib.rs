//! Carts and price alerts.
//!
//! | module | job |
//! |---|---|
//! | [`baskets`] | what a buyer has in their cart |
//! | [`alerts`] | what a buyer is told about the products in it: list, acknowledge, stream |
//! | [`products`] | what is known of the catalog's products |
//! | [`subscriptions`] | the catalog's events, and what each does to the above |
//! | [`operations`] | what an operator sees of the inbox and the queues, and does about dead letters |
//! | [`startup`] | all of it put together |
//!
//! Requests are answered from this service's own database; only a product that no event has told of
//! yet is asked for at the catalog. Only an operator's requests talk to the broker.

pub mod alerts;
pub mod baskets;
pub mod operations;
pub mod products;
pub mod settings;
pub mod startup;
pub mod subscriptions;
mod transaction;
