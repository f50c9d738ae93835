//! Pages for those who do not use a mouse, do not see, or have a small screen.

use suite_tests::browser::Page;

use super::{Shop, shop::add_to_cart};

/// Presses Tab until this has the focus.
fn tab_to(page: &Page, called: &str) {
    for _ in 0..60 {
        page.press("Tab");
        if page.focus().contains(called) {
            return;
        }
    }
    panic!("no Tab leads to {called:?}; the focus is on {:?}", page.focus());
}

#[tokio::test]
async fn a_buyer_needs_nothing_but_the_keyboard() {
    let shop = Shop::open().await;
    let page = shop.visitor("alice");
    page.goto("/");
    page.press("Tab");
    assert!(page.focus().contains("Skip to content"), "{}", page.focus());
    tab_to(&page, "Sign in");
    page.press("Enter");
    page.see("h1", "Sign in");
    tab_to(&page, "Your name");
    page.type_in("alice");
    page.press("Enter");
    page.see(".who", "alice");

    page.see("h1", "Outdoor gear");
    tab_to(&page, "Name begins with");
    page.type_in("Tarn 2");
    page.press("Enter");
    page.see("main [role=status]", "1 product");
    tab_to(&page, "Tarn 2");
    page.press("Enter");
    page.see("h1", "Tarn 2");
    tab_to(&page, "Quantity");
    page.press("ArrowUp");
    tab_to(&page, "Add to cart");
    page.press("Enter");
    page.see("h1", "Your cart");
    assert_eq!(page.value("#quantity-2"), "2");

    shop.merchant().price(2, "111.00").await;
    page.see(".news", "€111.00");
    tab_to(&page, "Accept and carry on");
    page.press("Enter");
    page.see(".strip", "You have accepted the new prices.");
    assert_eq!(page.count(".news"), 0);
}

#[tokio::test]
async fn what_somebody_is_typing_survives_an_alert() {
    let shop = Shop::open().await;
    let page = shop.signed_in("alice", &[]);
    add_to_cart(&page, 7);
    page.fill("#quantity-7", "42");
    shop.merchant().price(7, "111.00").await;
    page.see(".news", "€111.00");
    assert_eq!(page.value("#quantity-7"), "42");
    assert!(page.focus().starts_with("input Quantity"), "{}", page.focus());
}

#[tokio::test]
async fn no_page_has_a_serious_barrier_or_is_wider_than_a_phone() {
    let shop = Shop::open().await;
    let page = shop.signed_in("alice", &["merchant", "operator"]);
    add_to_cart(&page, 7);
    add_to_cart(&page, 8);
    shop.merchant().price(7, "111.00").await;
    page.see(".news", "€111.00");
    let phone = shop.browser.open_phone("phone", &shop.storefront.url);
    phone.sign_in("alice", &["merchant", "operator"]);
    let mut found = Vec::new();
    for path in [
        "/",
        "/?name=nothing-has-this-name",
        "/products/7",
        "/cart",
        "/lists",
        "/public-lists",
        "/sign-in",
        "/merchant",
        "/merchant/products/new",
        "/merchant/products/7",
        "/merchant/reservations",
        "/merchant/batches/new?percent=10&type_id=1",
        "/merchant/batches/new?percent=none",
        "/no-such-page",
    ] {
        page.goto(path);
        phone.goto(path);
        found.extend(page.barriers().into_iter().map(|barrier| format!("{path}: {barrier}")));
        if phone.overflow() > 0 {
            found.push(format!("{path}: sticks out of a phone by {} pixels", phone.overflow()));
        }
    }
    found.extend(page.faults());
    found.extend(phone.faults());
    assert!(found.is_empty(), "{found:#?}");
}
