//! Which page of a list.

use serde::Deserialize;
use service_kit::page::{PageSize, Window};

/// The query of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PageQuery {
    page_index: Option<u32>,
    page_size: Option<PageSize>,
}

impl PageQuery {
    /// Which page it asks for: without a size, one of 10 entries.
    pub(crate) fn window(&self) -> Window {
        Window::new(self.page_index, self.page_size, 10)
    }
}
