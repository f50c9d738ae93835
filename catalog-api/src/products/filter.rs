//! The query of a list of products: filters and page.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use service_kit::number::NumberError;
use service_kit::page::{PageSize, Window};
use service_kit::text::is_hidden;
use utoipa::IntoParams;

use super::text::normalized;
use super::{BrandId, ProductId, TextError, TypeId};

/// The most ids in one query.
const MAX_IDS: usize = 100;
/// The longest prefix of a name, in characters: as long as a name.
const MAX_PREFIX: usize = 100;

/// Filters and page of a list of products. An empty value is the same as none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The page, from 0.
    #[serde(deserialize_with = "unless_empty")]
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64, default = 0)]
    page_index: Option<u32>,
    /// Products on a page.
    #[serde(deserialize_with = "unless_empty")]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 10)]
    page_size: Option<PageSize>,
    /// The beginning of the name, in upper or lower case.
    #[serde(deserialize_with = "unless_empty")]
    #[param(value_type = Option<String>, max_length = 100)]
    pub(super) name: Option<NamePrefix>,
    /// The type.
    #[serde(deserialize_with = "unless_empty")]
    #[param(value_type = Option<i32>, minimum = 1)]
    pub(super) type_id: Option<TypeId>,
    /// The brand.
    #[serde(deserialize_with = "unless_empty")]
    #[param(value_type = Option<i32>, minimum = 1)]
    pub(super) brand_id: Option<BrandId>,
    /// Up to 100 ids, with commas between.
    #[serde(deserialize_with = "unless_empty")]
    #[param(value_type = Option<String>, pattern = r"^(\d{1,18}(,\d{1,18}){0,99})?$", example = "1,2,3")]
    pub(super) ids: Option<IdList>,
}

/// Why a filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterError {
    /// More ids than the limit.
    #[error("at most {MAX_IDS} ids can be asked for at once")]
    TooManyIds,
    /// Text that is no id.
    #[error(transparent)]
    Id(#[from] NumberError),
    /// A text that no name begins with.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// The beginning of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamePrefix(pub(super) String);

/// Ids with commas between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdList(pub(super) Vec<ProductId>);

impl Filter {
    /// Which page of the products.
    pub(super) fn window(&self) -> Window {
        Window::new(self.page_index, self.page_size, 10)
    }
}

impl FromStr for NamePrefix {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let text = normalized(text);
        let got = text.chars().count();
        if text.chars().any(is_hidden) {
            Err(TextError::Control.into())
        } else if got > MAX_PREFIX {
            Err(TextError::TooLong { limit: MAX_PREFIX, got }.into())
        } else {
            Ok(Self(text))
        }
    }
}

impl FromStr for IdList {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let ids = text.split(',').map(|id| id.trim().parse::<ProductId>());
        let ids: Vec<ProductId> = ids.take(MAX_IDS + 1).collect::<Result<_, NumberError>>()?;
        if ids.len() > MAX_IDS { Err(FilterError::TooManyIds) } else { Ok(Self(ids)) }
    }
}

fn unless_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_list_of_ids_is_read_as_it_is_written(ids in proptest::collection::vec(1_i64.., 1..=100)) {
            let text = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let read = text.parse::<IdList>().map(|list| list.0.into_iter().map(i64::from).collect::<Vec<_>>());
            prop_assert_eq!(read, Ok(ids));
        }

        #[test]
        fn no_text_makes_reading_a_filter_panic(text in ".{0,200}") {
            drop(text.parse::<IdList>());
            drop(text.parse::<PageSize>());
            drop(text.parse::<NamePrefix>());
            drop(text.parse::<TypeId>());
        }
    }

    #[test]
    fn a_prefix_has_no_hidden_characters() {
        assert!("Caf\u{e9} ".parse::<NamePrefix>().is_ok());
        for text in ["a\0b", "\u{200b}", "a\u{202e}b"] {
            assert_eq!(text.parse::<NamePrefix>(), Err(TextError::Control.into()), "{text:?}");
        }
    }
}
