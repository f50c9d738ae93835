//! Clients that misbehave: slow ones, many at once, and those that talk nonsense.

mod crowd;
mod malformed;
mod nonsense;
mod slow;
mod streams;
