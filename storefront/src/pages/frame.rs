//! What surrounds every page: the header with the cart's badge, the notice, the footer.

use crate::pages::{Notice, asset_url};
use crate::session::User;

/// Which part of the site a page belongs to; marked in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The catalogue and its products.
    Shop,
    /// The cart.
    Cart,
    /// Prices and products.
    Merchant,
    /// The control room.
    Ops,
    /// Signing in.
    SignIn,
    /// None of them.
    Nowhere,
}

/// What the header shows of the cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CartMark {
    /// Pieces in the cart.
    pub pieces: i64,
    /// Products with news that the buyer has not acknowledged.
    pub news: usize,
    /// Whether the cart could not be asked.
    pub is_unknown: bool,
}

/// What surrounds a page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The page's title.
    pub title: String,
    /// Where in the site it is.
    pub section: Section,
    /// Who has signed in.
    pub user: Option<User>,
    /// The cart of whoever has signed in.
    pub cart: CartMark,
    /// What has just been done.
    pub notice: Option<Notice>,
    /// Whether a part of the page is missing, so that it should be asked for again.
    pub is_partial: bool,
    /// Where this page is: path and query.
    pub here: String,
    /// Whether signing in needs nothing but a name.
    pub is_development: bool,
    /// Whether there is a control room.
    pub has_control_room: bool,
}

impl Frame {
    /// A frame that needs nobody's answer.
    pub fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            section: Section::Nowhere,
            user: None,
            cart: CartMark::default(),
            notice: None,
            is_partial: false,
            here: "/".to_owned(),
            is_development: false,
            has_control_room: false,
        }
    }

    /// Whether the page is in the shop, in the words of `aria-current`; so for the others.
    pub fn in_shop(&self) -> &'static str {
        self.current(Section::Shop)
    }

    /// Whether the page is the cart.
    pub fn in_cart(&self) -> &'static str {
        self.current(Section::Cart)
    }

    /// Whether the page is one for merchants.
    pub fn in_merchant(&self) -> &'static str {
        self.current(Section::Merchant)
    }

    /// Whether the page is in the control room.
    pub fn in_ops(&self) -> &'static str {
        self.current(Section::Ops)
    }

    /// Whether the page is for signing in.
    pub fn in_sign_in(&self) -> bool {
        self.section == Section::SignIn
    }

    /// The address of a style, script or icon.
    pub fn asset(&self, name: &'static str) -> &'static str {
        asset_url(name)
    }

    /// Where this page is, without what has just been done: what a form goes back to.
    pub fn back(&self) -> String {
        let Some((path, query)) = self.here.split_once('?') else { return self.here.clone() };
        let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "did");
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    fn current(&self, section: Section) -> &'static str {
        if self.section == section { "page" } else { "false" }
    }
}
