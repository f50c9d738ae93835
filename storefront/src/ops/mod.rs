//! The control room: how events flow, and what an operator does about them.
//!
//! | module | job |
//! |---|---|
//! | `routes` | the pages and actions |
//! | `operator` | an operator's request, and what it works with |
//! | `dashboard` | the pipeline with its figures, the charts, the relays |
//! | `bulk` | decisions about many events at once |
//! | `event_row` | an event as one line of a list |
//! | `tool` | in development mode: kill, freeze, thaw and start relays |
//! | `api` | the operator routes of services and relays |

mod answers;
mod api;
mod bulk;
mod dashboard;
mod event_row;
mod operator;
mod routes;
mod tool;

pub(crate) use operator::ControlRoom;
pub(crate) use routes::routes;
