//! Which page of a list.

use serde::Deserialize;

/// Which page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default)]
    pub(crate) page_index: u32,
    #[serde(default)]
    pub(crate) page_size: PageSize,
}

/// How many entries a page has: 1 to 100.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct PageSize(pub(crate) u32);

impl Page {
    /// How many entries come before the page, and how many it has.
    pub(crate) fn window(&self) -> (i64, i64) {
        let limit = i64::from(self.page_size.0);
        (i64::from(self.page_index) * limit, limit)
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u32> for PageSize {
    type Error = String;

    fn try_from(size: u32) -> Result<Self, String> {
        if (1..=100).contains(&size) {
            Ok(Self(size))
        } else {
            Err(format!("a page has 1 to 100 entries, not {size}"))
        }
    }
}
