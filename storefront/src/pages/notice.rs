//! One sentence at the top of a page about what the visitor has just done.

/// What the visitor has just done. The answer to a form leads to a page with `?did=…`, which shows the sentence.
pub(crate) type Notice = &'static str;

const NOTICES: [(&str, Notice); 29] = [
    ("added", "It is in your cart."),
    ("changed", "Your cart is changed."),
    ("removed", "It is no longer in your cart."),
    ("acknowledged", "You have accepted the new prices."),
    ("listed", "The list is made."),
    ("list-changed", "The list is changed."),
    ("list-deleted", "The list is deleted."),
    ("on-list", "It is on your list."),
    ("off-list", "It is no longer on your list."),
    ("placed", "Your order is placed."),
    ("cancelling", "Your order will be cancelled."),
    ("too-late", "It was too late to cancel this order."),
    ("shipped", "The order is shipped."),
    ("priced", "The new price is set, and will be announced."),
    ("same-price", "The price is the same as before: nothing was announced."),
    ("created", "The product is in the catalogue."),
    ("edited", "The product is changed."),
    ("withdrawn", "The product is withdrawn from sale."),
    ("requeued", "The event will be tried again."),
    ("skipped", "The event is skipped."),
    ("cancelled", "The scheduled event is cancelled: it is never announced."),
    ("replayed", "The message is back in its queue, and will be handled like a new one."),
    ("discarded", "The message is deleted. The service's log says who deleted it, and why."),
    ("killed", "The relay is killed. Change a price and watch: nothing is lost."),
    ("frozen", "The relay is frozen: it keeps its connections and does not answer."),
    ("thawed", "The relay continues."),
    ("started", "The relay is running."),
    ("chosen", "Your choice is kept."),
    ("erased", "Your account is erased, and will be everywhere in a moment."),
];

/// The sentence for a query; `None` where the query has none of the known values.
pub(super) fn of_query(query: &str) -> Option<Notice> {
    let (_, did) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "did")?;
    NOTICES.iter().find(|(known, _)| *known == did).map(|(_, text)| *text)
}
