//! The pages' server by itself. What needs the other services is tested with them, in a browser: suite-tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod accounts;
mod alone;
mod bulk;
mod program;
