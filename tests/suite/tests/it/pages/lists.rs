//! Lists of products, the buyer's own and public ones.

use super::Shop;

#[tokio::test]
async fn a_list_that_is_made_public_is_seen_by_another_visitor() {
    let shop = Shop::open().await;
    let page = shop.signed_in("alice", &[]);
    page.goto("/lists");
    page.see(".empty", "No lists");
    page.fill("#name", "For <b>Tarn</b>");
    page.click("#make-list");
    page.see(".strip", "The list is made.");
    page.see("h1", "For <b>Tarn</b>");
    page.see("#seen-by", "Only you see this list.");
    let list = page.path();
    page.goto("/products/7");
    let name = page.text("h1");
    page.click("#put-on-list");
    page.see(".strip", "It is on your list.");
    page.see("#products", &name);

    let visitor = shop.visitor("somebody");
    visitor.goto("/public-lists");
    visitor.see(".empty", "Nobody has made a list public yet.");
    page.fill("#name", "For Tarn");
    page.check("#public");
    page.click("#change-list");
    page.see("#seen-by", "Everybody may see this list.");
    assert_eq!(page.barriers(), [""; 0]);
    visitor.goto("/public-lists");
    visitor.see("#public-lists h2", "For Tarn");
    visitor.see("#public-lists li", &name);
    assert_eq!(visitor.barriers(), [""; 0]);

    page.goto(list.split('?').next().unwrap());
    page.click("#products button");
    page.see(".strip", "It is no longer on your list.");
    page.see(".empty", "Nothing is on it yet");
    page.click("#delete-list");
    page.see(".strip", "The list is deleted.");
    visitor.goto("/public-lists");
    visitor.see(".empty", "Nobody has made a list public yet.");
    assert_eq!(page.faults(), [""; 0]);
    assert_eq!(visitor.faults(), [""; 0]);
}
