//! The filter of a product list, as links and forms carry it.

use serde::Deserialize;
use service_kit::text::is_hidden;

use crate::clients::{ItemFilter, Named};

/// The filter in a URL. A value that makes no sense is ignored: a link should show something.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FilterForm {
    pub(crate) name: String,
    pub(crate) type_id: String,
    pub(crate) brand_id: String,
    /// The page, from 1.
    pub(crate) page: String,
}

/// One link or option of a filter.
pub(crate) struct Choice {
    /// The id of a type or brand; empty for "all".
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) is_selected: bool,
}

/// This page and the last page of a list, from 1, and the links to the neighbours.
pub(crate) struct Pager {
    pub(crate) page: u32,
    pub(crate) last: u32,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
}

/// The longest name that the catalogue searches for, in characters.
const MAX_NAME: usize = 100;

const MAX_PAGE: u32 = 100_000;

impl FilterForm {
    /// The filter for the catalogue.
    pub(crate) fn filter(&self) -> ItemFilter {
        let name = self.name.trim().chars().filter(|c| !is_hidden(*c)).take(MAX_NAME).collect();
        ItemFilter { name, type_id: id(&self.type_id), brand_id: id(&self.brand_id) }
    }

    /// The page, from 1.
    pub(crate) fn page(&self) -> u32 {
        self.page.parse().unwrap_or(1).clamp(1, MAX_PAGE)
    }

    /// Whether the list is filtered.
    pub(crate) fn is_set(&self) -> bool {
        self.filter() != ItemFilter::default()
    }

    /// The types to choose from. A link keeps the rest of the filter.
    pub(crate) fn types(&self, base: &str, types: &[Named]) -> Vec<Choice> {
        let filter = self.filter();
        let selected = filter.type_id;
        choices("All", types, selected, |type_id| href(base, &ItemFilter { type_id, ..filter.clone() }, 1))
    }

    pub(crate) fn brands(&self, base: &str, brands: &[Named]) -> Vec<Choice> {
        let filter = self.filter();
        let selected = filter.brand_id;
        choices("All brands", brands, selected, |brand_id| {
            href(base, &ItemFilter { brand_id, ..filter.clone() }, 1)
        })
    }

    pub(crate) fn pager(&self, base: &str, count: u64, size: u8) -> Pager {
        let last = u32::try_from(count.div_ceil(u64::from(size).max(1))).unwrap_or(MAX_PAGE).max(1);
        let page = self.page();
        let filter = self.filter();
        let link = |page: u32| href(base, &filter, page);
        Pager {
            page,
            last,
            previous: (page > 1).then(|| link((page - 1).min(last))),
            next: (page < last).then(|| link(page + 1)),
        }
    }
}

/// The id of a type or a brand; the catalogue refuses larger ones.
fn id(text: &str) -> Option<i64> {
    text.parse::<i32>().ok().filter(|id| *id > 0).map(i64::from)
}

fn choices(
    all: &str,
    named: &[Named],
    selected: Option<i64>,
    href: impl Fn(Option<i64>) -> String,
) -> Vec<Choice> {
    let all =
        Choice { id: String::new(), name: all.to_owned(), href: href(None), is_selected: selected.is_none() };
    let each = named.iter().map(|Named { id, name }| Choice {
        id: id.to_string(),
        name: name.clone(),
        href: href(Some(*id)),
        is_selected: selected == Some(*id),
    });
    std::iter::once(all).chain(each).collect()
}

fn href(base: &str, filter: &ItemFilter, page: u32) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !filter.name.is_empty() {
        query.append_pair("name", &filter.name);
    }
    if let Some(id) = filter.type_id {
        query.append_pair("type_id", &id.to_string());
    }
    if let Some(id) = filter.brand_id {
        query.append_pair("brand_id", &id.to_string());
    }
    if page > 1 {
        query.append_pair("page", &page.to_string());
    }
    let query = query.finish();
    if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_rest_of_the_filter() {
        let form = FilterForm {
            name: "a&b".to_owned(),
            brand_id: "3".to_owned(),
            page: "2".to_owned(),
            ..FilterForm::default()
        };
        let types = [Named { id: 5, name: "Tents".to_owned() }];
        assert_eq!(form.types("/", &types)[1].href, "/?name=a%26b&type_id=5&brand_id=3");
        let pager = form.pager("/", 25, 12);
        assert_eq!((pager.page, pager.last), (2, 3));
        assert_eq!(pager.next.as_deref(), Some("/?name=a%26b&brand_id=3&page=3"));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_ignored() {
        for (type_id, brand_id) in [("x", "-1"), ("3000000000", "9223372036854775807")] {
            let (type_id, brand_id) = (type_id.to_owned(), brand_id.to_owned());
            let form = FilterForm { type_id, brand_id, page: "0".to_owned(), ..FilterForm::default() };
            assert_eq!((form.filter(), form.page()), (ItemFilter::default(), 1));
        }
    }
}
