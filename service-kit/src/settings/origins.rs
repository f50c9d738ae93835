//! Where browsers find a service.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Origins such as `https://shop.example` (RFC 6454), in the form in which browsers name them.
///
/// In a file a list or text, in the environment text with commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether this is one of them, as the header `Origin` has it.
    pub fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|one| one == origin)
    }
}

impl<'de> Deserialize<'de> for Origins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            List(Vec<String>),
        }
        let written = match Written::deserialize(deserializer)? {
            Written::Text(text) => text.split(',').map(ToOwned::to_owned).collect(),
            Written::List(list) => list,
        };
        let read = |text: &String| origin(text.trim()).map_err(D::Error::custom);
        written.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// The origin that this text is, and nothing more than an origin.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no origin: write scheme and host, as in https://shop.example");
    let url = reqwest::Url::parse(text).map_err(|_error| wrong())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_bare || !is_anonymous {
        return Err(wrong());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_as_browsers_write_it() {
        let origins: Origins =
            serde_json::from_str(r#"" http://Shop.Example:80/ ,https://b:8443""#).expect("origins");
        assert!(origins.has("http://shop.example") && origins.has("https://b:8443"));
        for other in ["http://b:8443", "https://shop.example", "http://shop.example:81", "null", ""] {
            assert!(!origins.has(other), "{other}");
        }
        let list: Origins =
            serde_json::from_str(r#"["http://shop.example", "https://b:8443"]"#).expect("origins");
        assert_eq!(list, origins);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "shop.example",
            "ftp://a",
            "http://a/shop",
            "http://a?b",
            "http://u:p@a",
            "http://a,",
            "*",
            "null",
        ] {
            assert!(serde_json::from_value::<Origins>(text.into()).is_err(), "{text}");
        }
    }
}
