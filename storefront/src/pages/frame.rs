//! What surrounds every page: the header with the cart, the notice, the footer.

use super::notice::Notice;
use crate::session::User;

/// The part of the site that a page belongs to; the navigation marks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Section {
    Shop,
    Cart,
    Orders,
    Lists,
    Merchant,
    Ops,
    SignIn,
    /// None of the others.
    #[default]
    Other,
}

/// What the header shows of the cart.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CartMark {
    pub(crate) pieces: i64,
    /// Products with a change that the buyer has not acknowledged.
    pub(crate) news: usize,
    /// Whether the basket did not answer.
    pub(crate) is_unknown: bool,
}

/// What surrounds a page.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) section: Section,
    pub(crate) user: Option<User>,
    pub(crate) cart: CartMark,
    pub(crate) notice: Option<Notice>,
    /// Whether a part of the page is missing, so that the browser requests the page again.
    pub(crate) is_partial: bool,
    /// The page's path and query.
    pub(crate) here: String,
    /// Whether a visitor signs in by name.
    pub(crate) is_development: bool,
    pub(crate) has_control_room: bool,
    /// Whether mails are shown here in place of being delivered.
    pub(crate) has_mailbox: bool,
    /// Whether what is in the cart can be ordered.
    pub(crate) has_orders: bool,
    /// Whether visitors can register, and sign in by address.
    pub(crate) has_accounts: bool,
}

impl Frame {
    /// A frame for a problem's page, which needs no other service.
    pub(crate) fn bare(title: &str) -> Self {
        Self { title: title.to_owned(), here: "/".to_owned(), ..Self::default() }
    }

    /// The value of `aria-current` of a link in the navigation.
    pub(crate) fn current(&self, section: Section) -> &'static str {
        if self.section == section { "page" } else { "false" }
    }

    /// The page without its notice: the page that a form returns to.
    pub(crate) fn back(&self) -> String {
        let Some((path, query)) = self.here.split_once('?') else { return self.here.clone() };
        let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "did");
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}
