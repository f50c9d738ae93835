//! The events that this service listens to, and what it does with each.
//!
//! | event | handler |
//! |---|---|
//! | `shop.accounts.user_registered.v1` | [`Welcome`]: the address is remembered, and a mail |
//! | `shop.accounts.user_validated.v1` | [`NoteProof`]: the address is remembered as it was proved |
//! | `shop.accounts.registration_rejected.v1` | [`SayTaken`]: a mail |
//! | `shop.accounts.user_deleted.v1` | [`ForgetUser`]: the address, and all that mails say |
//! | `shop.ordering.order_paid.v1` | [`ConfirmOrder`]: a mail, if the buyer's address is known |
//! | `shop.ordering.order_cancelled.v1` | [`SayCancelled`]: likewise |
//! | `shop.ordering.order_shipped.v1` | [`SayShipped`]: likewise |
//! | `shop.basket.price_digest_made.v1` | [`SendDigest`]: likewise |

mod accounts;
mod digest;
mod orders;

use event_bus::{HandleError, Subscriber, consumer::SubscribeError};

pub use accounts::{ForgetUser, NoteProof, SayTaken, Welcome};
pub use digest::SendDigest;
pub use orders::{ConfirmOrder, SayCancelled, SayShipped};

/// The longest address that is kept. Whether it is one is seen when the mail is made.
const EMAIL: usize = 320;

/// Adds the handlers of this service.
pub fn handlers(subscriber: Subscriber) -> Result<Subscriber, SubscribeError> {
    subscriber
        .handle(Welcome)?
        .handle(NoteProof)?
        .handle(SayTaken)?
        .handle(ForgetUser)?
        .handle(ConfirmOrder)?
        .handle(SayCancelled)?
        .handle(SayShipped)?
        .handle(SendDigest)
}

fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// An id as the database can keep it; anything else is rejected.
fn check_id(text: &str) -> Result<(), HandleError> {
    if is_id(text) {
        Ok(())
    } else {
        Err(HandleError::reject("an id has 1 to 100 characters, none of which is a control character"))
    }
}

/// An address as the database can keep it; anything else is rejected, without being shown.
fn check_email(text: &str) -> Result<(), HandleError> {
    if (1..=EMAIL).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(HandleError::reject("the address is none"))
    }
}
