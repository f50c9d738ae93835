//! One page of the browser.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::driver::Driver;

/// One page. Selectors are CSS, or `text=…`, as Playwright understands them.
///
/// Every method panics, with what was asked, when the browser cannot do it in its time.
pub struct Page {
    name: String,
    driver: Arc<Mutex<Driver>>,
}

impl Page {
    pub(super) fn new(name: &str, driver: Arc<Mutex<Driver>>) -> Self {
        Self { name: name.to_owned(), driver }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn run(&self, what: &str, details: &Value) -> Value {
        let mut command = details.clone();
        command["do"] = json!(what);
        command["page"] = json!(self.name);
        // The error is the panic's own; what comes after it may still want pictures.
        self.driver.lock().unwrap_or_else(PoisonError::into_inner).run(&command)
    }

    fn words(&self, what: &str, details: &Value) -> String {
        self.run(what, details).as_str().unwrap_or_default().to_owned()
    }

    fn list(&self, what: &str, details: &Value) -> Vec<String> {
        let list = self.run(what, details);
        let words = |word: &Value| word.as_str().unwrap_or_default().to_owned();
        list.as_array().map(|list| list.iter().map(words).collect()).unwrap_or_default()
    }

    /// Goes to a path of the site; returns the answer's status.
    pub fn goto(&self, path: &str) -> u64 {
        self.run("goto", &json!({"path": path})).as_u64().unwrap_or_default()
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.run("reload", &json!({}));
    }

    /// Clicks.
    pub fn click(&self, selector: &str) {
        self.run("click", &json!({"selector": selector}));
    }

    /// Fills a field.
    pub fn fill(&self, selector: &str, value: &str) {
        self.run("fill", &json!({"selector": selector, "value": value}));
    }

    /// Chooses from a list, by what it says.
    pub fn choose(&self, selector: &str, value: &str) {
        self.run("choose", &json!({"selector": selector, "value": value}));
    }

    /// Ticks a box.
    pub fn check(&self, selector: &str) {
        self.run("check", &json!({"selector": selector}));
    }

    /// Presses a key, such as `Tab` or `Enter`.
    pub fn press(&self, key: &str) {
        self.run("press", &json!({"key": key}));
    }

    /// Types on the keyboard.
    pub fn type_in(&self, text: &str) {
        self.run("type", &json!({"value": text}));
    }

    /// What the first match says.
    pub fn text(&self, selector: &str) -> String {
        self.words("text", &json!({"selector": selector}))
    }

    /// What every match says.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        self.list("texts", &json!({"selector": selector}))
    }

    /// What is in a field.
    pub fn value(&self, selector: &str) -> String {
        self.words("value", &json!({"selector": selector}))
    }

    /// How many there are now.
    pub fn count(&self, selector: &str) -> u64 {
        self.run("count", &json!({"selector": selector})).as_u64().unwrap_or_default()
    }

    /// The page's path and query.
    pub fn path(&self) -> String {
        self.words("path", &json!({}))
    }

    /// What has the keyboard's focus: its tag, and what it is called.
    pub fn focus(&self) -> String {
        self.words("focus", &json!({}))
    }

    /// Waits until a match says this.
    pub fn see(&self, selector: &str, text: &str) {
        self.run("see", &json!({"selector": selector, "text": text}));
    }

    /// The same, with a deadline of one's own.
    pub fn see_within(&self, selector: &str, text: &str, within: Duration) {
        let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.run("see", &json!({"selector": selector, "text": text, "within": within}));
    }

    /// Waits until no match is to be seen.
    pub fn gone(&self, selector: &str) {
        self.run("gone", &json!({"selector": selector}));
    }

    /// How far the page is wider than its window, in pixels.
    pub fn overflow(&self) -> i64 {
        self.run("overflow", &json!({})).as_i64().unwrap_or(i64::MAX)
    }

    /// Scripts that failed, dialogs that opened, policies that were broken, since the page was opened.
    pub fn faults(&self) -> Vec<String> {
        self.list("faults", &json!({}))
    }

    /// What the accessibility checker finds to be serious.
    pub fn barriers(&self) -> Vec<String> {
        self.list("axe", &json!({}))
    }

    /// Signs in by name, with the roles `merchant` and `operator` or none.
    pub fn sign_in(&self, name: &str, roles: &[&str]) {
        self.goto("/sign-in");
        self.fill("#name", name);
        for role in roles {
            self.check(&format!("#{role}"));
        }
        self.click("main button");
        self.see(".who", name);
    }
}
