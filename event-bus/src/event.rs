//! Events, as a producer writes them.

use serde::Serialize;

/// Something that happened, as other services read it.
///
/// The serialised value becomes the message's `data`. The type is also the routing key, so an incompatible change
/// of the payload is a new type (`….v2`). The macro `event!` implements this trait in one line.
pub trait Event: Serialize {
    /// The type on the wire, `<organisation>.<service>.<what_happened>.v<n>`; also the routing key.
    const TYPE: &'static str;

    /// What the event is about. Events of one key are published in the order of their commits.
    fn key(&self) -> String;

    /// The version that this change gave the key's aggregate. It rises with every event of the key.
    ///
    /// A consumer for which [only the newest event counts](crate::inbox::Order::LatestWins) ignores an event that is
    /// older than one of its key and type that it handled. Every other consumer handles each event, in the order of
    /// their arrival.
    fn version(&self) -> i64;
}

/// Implements [`Event`] for a type, by its type on the wire and a function from an event to its key and version.
///
/// The key may be anything that can be displayed.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct BookReturned {
///     book: String,
///     times_lent: i64,
/// }
///
/// event_bus::event!(BookReturned, "town.library.book_returned.v1", |it| (it.book, it.times_lent));
/// ```
#[macro_export]
macro_rules! event {
    ($event:ty, $type:literal, |$of:ident| ($key:expr, $version:expr)) => {
        impl $crate::Event for $event {
            const TYPE: &'static str = $type;

            fn key(&self) -> String {
                let $of = self;
                $key.to_string()
            }

            fn version(&self) -> i64 {
                let $of = self;
                // The version may be a constant.
                _ = $of;
                $version
            }
        }
    };
}
