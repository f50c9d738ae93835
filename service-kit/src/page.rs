//! Pages of lists: which one a query asks for, and the answer.
//!
//! A query has the fields `page_index: Option<u32>` and `page_size: Option<PageSize>`, or `limit` where there is one page.

use std::fmt::Display;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Array, ArrayBuilder};

use crate::problem::Problem;

crate::whole_number! {
    /// The most entries that a page has.
    pub struct PageSize(u8) is "a page size" from 1 to 100, for example 20;
}

/// Which entries of a list are on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    index: u32,
    size: u8,
}

impl Window {
    /// The page that a query asks for. `None`: the first page, or as many entries as `default` says.
    pub fn new(index: Option<u32>, size: Option<PageSize>, default: u8) -> Self {
        Self { index: index.unwrap_or(0), size: size.map_or(default, |size| size.0) }
    }

    /// How many entries come before the page.
    pub fn offset(self) -> i64 {
        i64::from(self.index) * self.limit()
    }

    /// How many entries the page has at most.
    pub fn limit(self) -> i64 {
        self.size.into()
    }

    /// The answer: the entries of the page, and how many there are on all pages.
    pub fn page<T>(self, count: i64, data: Vec<T>) -> Page<T> {
        Page { index: self.index, size: self.size, count, data }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The page, from 0.
    #[serde(rename = "pageIndex")]
    index: u32,
    /// The most entries on a page.
    #[serde(rename = "pageSize")]
    size: u8,
    /// Entries on all pages.
    count: i64,
    #[schema(schema_with = entries::<T>)]
    data: Vec<T>,
}

/// The schema of the entries, by its name: derived, it would stand in the document once more.
fn entries<T: ToSchema>() -> Array {
    let entry = Ref::from_schema_name(T::name());
    ArrayBuilder::new().items(entry).description(Some("The entries of this page.")).build()
}

/// The `limit` of a query, if it is from 1 to `most`.
///
/// # Errors
///
/// 400, with the parameter's name.
pub fn limit<T: Copy + PartialOrd + Display + From<u8>>(limit: T, most: T) -> Result<T, Problem> {
    if T::from(1) <= limit && limit <= most {
        return Ok(limit);
    }
    let detail = format!("limit must be between 1 and {most}");
    Err(Problem::validation(detail.clone()).parameter("limit", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_that_can_be_asked_for_has_an_offset() {
        let largest = PageSize::try_from(100).ok();
        assert_eq!(Window::new(Some(u32::MAX), largest, 10).offset(), 429_496_729_500);
        assert_eq!(Window::new(None, None, 10), Window { index: 0, size: 10 });
    }

    #[test]
    fn a_limit_is_at_least_1() {
        assert_eq!([1, 100].map(|given| limit(given, 100).ok()), [Some(1), Some(100)]);
        assert_eq!([-1, 0, 101].map(|given| limit(given, 100).ok()), [None; 3]);
    }
}
