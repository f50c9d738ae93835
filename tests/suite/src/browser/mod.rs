//! A real browser, for tests of pages.
//!
//! It is a process of its own, steered by `browser/driver.mjs`; nothing here waits without a deadline.

mod driver;
mod page;

pub use driver::Browser;
pub use page::Page;
