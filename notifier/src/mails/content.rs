//! What a mail says, before it is put into words.

use serde::{Deserialize, Serialize};

/// The longest name that a mail shows.
const NAME: usize = 100;

/// What a mail says. It is kept in the row until the mail is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Content {
    /// Somebody has registered.
    Welcome {
        /// Their name, as [`name`] lets it through.
        user_name: String,
    },
    /// Somebody wanted to register with an address that is registered.
    AddressTaken,
    /// An order is paid.
    OrderPaid {
        /// Which.
        order_id: String,
    },
    /// An order came to nothing.
    OrderCancelled {
        /// Which.
        order_id: String,
        /// Why, as the event says it.
        reason: Option<String>,
    },
    /// An order is on its way.
    OrderShipped {
        /// Which.
        order_id: String,
    },
    /// What has happened to products in a cart.
    PriceDigest {
        /// The first changes, the oldest first.
        changes: Vec<Change>,
        /// How many there are beyond these.
        more: u64,
        /// The currency of all prices.
        currency: String,
    },
}

/// One change of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The product's name, as [`name`] lets it through.
    pub product_name: String,
    /// Its price before.
    pub old_price: Option<String>,
    /// Its price since; none where it is no longer sold.
    pub new_price: Option<String>,
}

impl Content {
    /// The kind, as it is written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "welcome",
            Self::AddressTaken => "address_taken",
            Self::OrderPaid { .. } => "order_paid",
            Self::OrderCancelled { .. } => "order_cancelled",
            Self::OrderShipped { .. } => "order_shipped",
            Self::PriceDigest { .. } => "price_digest",
        }
    }
}

/// A user's or a product's name as a mail may show it: one line, in which nothing changes the direction of what follows.
pub fn name(text: &str) -> String {
    let is_shown = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(is_shown).take(NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_is_one_line_that_turns_nothing_around() {
        assert_eq!(name("Ann\r\nBcc: eve@x.example"), "AnnBcc: eve@x.example");
        assert_eq!(name("\u{202e}nnA\u{2066}\u{2028}\u{0}"), "nnA");
        assert_eq!(name(" Zoë <b> "), "Zoë <b>");
        assert_eq!(name(&"é".repeat(300)).chars().count(), 100);
    }
}
