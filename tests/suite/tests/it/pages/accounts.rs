//! Registering, signing in, and going.

use std::time::Duration;

use suite_tests::{Accounts, browser::Page};
use test_kit::eventually;
use uuid::Uuid;

use super::Shop;

const SOON: Duration = Duration::from_secs(20);
const EMAIL: &str = "eve@example.org";
pub(super) const PASSWORD: &str = "correct horse battery";

pub(super) fn register(page: &Page, name: &str, email: &str, password: &str) {
    page.goto("/sign-in");
    page.click("text=Register");
    page.fill("#name", name);
    page.fill("#email", email);
    page.fill("#password", password);
    page.click("main button");
}

pub(super) fn sign_in(page: &Page, email: &str, password: &str) {
    page.goto("/sign-in");
    page.fill("#email", email);
    page.fill("#password", password);
    page.click("main button");
}

#[tokio::test]
async fn a_visitor_registers_validates_the_address_signs_in_and_is_erased() {
    let (shop, accounts) = Shop::with_accounts().await;
    let page = shop.visitor("eve");
    register(&page, "x", EMAIL, "password123");
    page.see("#fault", "tried first");
    // A name is text, whatever it is.
    register(&page, "<script>alert(1)</script>", EMAIL, PASSWORD);
    page.see("#sent", EMAIL);
    let user = eventually("the registration is done", SOON, async || accounts.user(EMAIL).await).await;
    assert_eq!(user["status"], "registered");
    let id: Uuid = user["userId"].as_str().unwrap().parse().unwrap();

    let link = Accounts::link(id);
    page.goto(&link);
    assert_eq!(
        accounts.user(EMAIL).await.unwrap()["status"],
        "registered",
        "a link that is opened changes nothing"
    );
    page.click("main button");
    page.see("h1", "Your address is validated");
    page.goto(&link);
    page.click("main button");
    page.see("#fault", "used already");

    sign_in(&page, EMAIL, "a wrong password");
    page.see("#fault", "No user has this address and this password");
    assert_eq!(page.value("#email"), EMAIL, "what was filled in stays");
    sign_in(&page, EMAIL, PASSWORD);
    page.click("text=Your profile");
    page.see("#user-name", "<script>alert(1)</script>");
    page.see("#status", "Validated");
    assert_eq!(page.barriers(), [""; 0]);
    assert_eq!(page.faults(), [""; 0]);

    page.check("#digest");
    page.click("#choose-mail");
    page.see(".strip", "Your choice is kept.");
    assert_eq!(page.count("#digest[checked]"), 1);

    page.check("#sure");
    page.click("main .danger");
    page.see(".strip", "Your account is erased");
    sign_in(&page, EMAIL, PASSWORD);
    page.see("#fault", "No user has this address and this password");
    assert!(accounts.user(EMAIL).await.is_none());
    eventually("the name is out of the log", SOON, async || {
        let query = "select count(*) from integration_event_log where payload::text like '%script%'";
        let count: i64 = sqlx::query_scalar(query).fetch_one(&accounts.database.pool).await.unwrap();
        (count == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_visitor_follows_the_link_in_the_mailbox_and_shows_a_list_to_another() {
    let (shop, accounts, _mail) = Shop::with_mail().await;
    let page = shop.visitor("eve");
    register(&page, "Eve", EMAIL, PASSWORD);
    page.see("#sent", EMAIL);
    eventually("the mail is in the mailbox", SOON, async || {
        page.goto(&format!("/mail?to={EMAIL}"));
        (page.count("#mails article") == 1).then_some(())
    })
    .await;
    page.see("#mails h2", "Welcome to the shop");
    assert_eq!(page.barriers(), [""; 0]);
    page.click("#mails a");
    page.click("main button");
    page.see("h1", "Your address is validated");
    assert_eq!(accounts.user(EMAIL).await.unwrap()["status"], "validated");

    sign_in(&page, EMAIL, PASSWORD);
    page.see(".who", "Your profile");
    eventually("the first list is there", SOON, async || {
        page.goto("/lists");
        (page.count("text=Favourites") > 0).then_some(())
    })
    .await;
    page.click("text=Favourites");
    page.see("#seen-by", "Only you see this list.");
    page.check("#public");
    page.click("#change-list");
    page.see("#seen-by", "Everybody may see this list.");
    let visitor = shop.visitor("somebody");
    visitor.goto("/public-lists");
    visitor.see("#public-lists h2", "Favourites");
    assert_eq!((page.faults(), visitor.faults()), (Vec::new(), Vec::new()));
}
