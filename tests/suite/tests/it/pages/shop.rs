//! A shop with pages in front of it.

use std::time::Duration;

use suite_tests::{
    Accounts, Buyer, Mail, Merchant, Orders, Suite,
    browser::{Browser, Page},
};
use test_kit::{Process, eventually};

/// Everything that a visitor's page needs.
pub(super) struct Shop {
    // The browser is dropped before the services.
    pub(super) browser: Browser,
    pub(super) storefront: Process,
    pub(super) basket: Process,
    pub(super) relay: Option<Process>,
    pub(super) catalog: Process,
    pub(super) suite: Suite,
}

impl Shop {
    /// Opens it.
    pub(super) async fn open() -> Self {
        let suite = Suite::set_up().await;
        let catalog = suite.start_catalog(&[]);
        let relay = Some(suite.start_relay(&[]));
        let basket = suite.start_basket(&catalog, &[]);
        let storefront = suite.start_storefront(&catalog, &basket, &[]);
        basket.until_ready(true).await;
        Self { browser: Browser::start(), storefront, basket, relay, catalog, suite }
    }

    /// Opens one that takes orders. What orders are made of is told before the catalog's events are published.
    pub(super) async fn with_orders() -> (Self, Orders) {
        let suite = Suite::set_up().await;
        let catalog = suite.start_catalog(&[]);
        let orders = Orders::open(&suite).await;
        let relay = Some(suite.start_relay(&[]));
        let basket = suite.start_basket(&catalog, &[]);
        let ordering = [("APP__SERVICES__ORDERING__URL", orders.ordering.url.as_str())];
        let storefront = suite.start_storefront(&catalog, &basket, &ordering);
        basket.until_ready(true).await;
        (Self { browser: Browser::start(), storefront, basket, relay, catalog, suite }, orders)
    }

    /// Opens one whose visitors register.
    pub(super) async fn with_accounts() -> (Self, Accounts) {
        Self::registering(&[]).await
    }

    /// Opens one whose visitors register, and read their mail in the mailbox's page.
    pub(super) async fn with_mail() -> (Self, Accounts, Mail) {
        let mailbox = Mail::start_mailbox();
        let (shop, accounts) = Self::registering(&[("APP__MAILBOX__URL", &mailbox.url)]).await;
        let mail = Mail::from_mailbox(&shop.suite, mailbox, &shop.storefront.url).await;
        (shop, accounts, mail)
    }

    /// Opens one with everything that a shop has, from the registration to the payment.
    pub(super) async fn whole() -> (Self, (Accounts, Orders, Mail)) {
        let suite = Suite::set_up().await;
        let catalog = suite.start_catalog(&[]);
        let accounts = Accounts::open(&suite).await;
        let trust = accounts.trust();
        let trust = trust.each_ref().map(|(name, value)| (*name, value.as_str()));
        let orders = Orders::open_with(&suite, &trust).await;
        let relay = Some(suite.start_relay(&[]));
        let basket = suite.start_basket(&catalog, &trust);
        let mailbox = Mail::start_mailbox();
        let addresses = [
            ("APP__SERVICES__ACCOUNTS__URL", accounts.accounts.url.as_str()),
            ("APP__SERVICES__ORDERING__URL", &orders.ordering.url),
            ("APP__MAILBOX__URL", &mailbox.url),
        ];
        let storefront = suite.start_storefront(&catalog, &basket, &[&addresses, &trust[..]].concat());
        let mail = Mail::from_mailbox(&suite, mailbox, &storefront.url).await;
        basket.until_ready(true).await;
        let shop = Self { browser: Browser::start(), storefront, basket, relay, catalog, suite };
        (shop, (accounts, orders, mail))
    }

    async fn registering(pages: &[(&str, &str)]) -> (Self, Accounts) {
        let suite = Suite::set_up().await;
        let catalog = suite.start_catalog(&[]);
        let accounts = Accounts::open(&suite).await;
        let trust = accounts.trust();
        let trust = trust.each_ref().map(|(name, value)| (*name, value.as_str()));
        let basket = suite.start_basket(&catalog, &trust);
        let address = ("APP__SERVICES__ACCOUNTS__URL", accounts.accounts.url.as_str());
        let storefront = suite.start_storefront(&catalog, &basket, &[&[address], &trust[..], pages].concat());
        basket.until_ready(true).await;
        (Self { browser: Browser::start(), storefront, basket, relay: None, catalog, suite }, accounts)
    }

    /// A page for a visitor.
    pub(super) fn visitor(&self, name: &str) -> Page {
        self.browser.open(name, &self.storefront.url)
    }

    /// A page for a visitor who has signed in under the page's name.
    pub(super) fn signed_in(&self, name: &str, roles: &[&str]) -> Page {
        let page = self.visitor(name);
        page.sign_in(name, roles);
        page
    }

    /// A merchant without a browser.
    pub(super) fn merchant(&self) -> Merchant {
        Merchant::of(&self.catalog)
    }

    /// The same buyer, without a browser.
    pub(super) fn buyer(&self, name: &str) -> Buyer {
        Buyer::of(&self.basket, name)
    }
}

/// Puts a product into the cart, by its page.
pub(super) fn add_to_cart(page: &Page, product: i64) {
    page.goto(&format!("/products/{product}"));
    page.click("text=Add to cart");
    page.see("h1", "Your cart");
}

/// Waits until the page hears of changes: the basket has the buyer's stream open.
pub(super) async fn until_live(page: &Page) {
    eventually("the page is live", Duration::from_secs(20), async || {
        (page.count("html[data-is-live]") == 1).then_some(())
    })
    .await;
}
