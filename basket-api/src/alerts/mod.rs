//! What a buyer is told about the products in their cart.
//!
//! `raise` writes alerts when events are applied, `store` reads and acknowledges them; `hub` notices
//! new ones for the buyers who listen, and `stream` sends them.

pub mod handlers;
pub mod hub;
pub mod model;
pub mod raise;
pub mod store;
pub mod stream;

pub use model::{Alert, AlertId, AlertKind};
