//! How often a client may try, and who a client is.

mod buckets;
mod client;
mod proxies;

pub use buckets::Limits;
pub use client::Client;
pub use proxies::Trusted;
