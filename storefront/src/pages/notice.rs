//! One sentence at the top of a page about what has just been done.

/// What has just been done. A form's answer leads to a page with `?did=…`, and the page says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice(&'static str);

const NOTICES: [(&str, &str); 17] = [
    ("added", "It is in your cart."),
    ("changed", "Your cart is changed."),
    ("removed", "It is no longer in your cart."),
    ("acknowledged", "You have accepted the new prices."),
    ("priced", "The new price is set, and will be announced."),
    ("same-price", "That is the price already: nothing was announced."),
    ("created", "The product is in the catalogue."),
    ("edited", "The product is changed."),
    ("withdrawn", "The product is withdrawn from sale."),
    ("requeued", "The event will be sent again."),
    ("skipped", "The event is skipped."),
    ("replayed", "The message is back in its queue, and handled as if it were new."),
    ("discarded", "The message is gone. The basket's log says who did that, and why."),
    ("killed", "The relay is killed. Change a price and watch: nothing is lost."),
    ("frozen", "The relay is frozen: it keeps its connections and answers nobody."),
    ("thawed", "The relay goes on."),
    ("started", "The relay runs."),
];

impl Notice {
    /// What the query says was done; `None` if that is nothing that we know. Its words are ours, whatever
    /// the query says.
    pub fn of_query(query: &str) -> Option<Self> {
        let (_, did) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "did")?;
        NOTICES.iter().find(|(known, _)| *known == did).map(|(_, text)| Self(text))
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
