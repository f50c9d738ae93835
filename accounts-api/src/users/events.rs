//! The integration events of users. Their JSON is a contract: `contracts/<type>.json`.

use event_bus::event;
use serde::Serialize;

use super::{Email, UserId, UserName};

/// Defines an event about a user: its key is the user, its version the user's.
macro_rules! user_event {
    ($(#[$doc:meta])* $event:ident, $type:literal { $($(#[$attribute:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $event {
            /// The user.
            pub user_id: UserId,
            $($(#[$attribute])* pub $field: $kind,)*
            /// The user's version since.
            #[serde(skip)]
            pub version: i64,
        }

        event!($event, $type, |it| (it.user_id, it.version));
    };
}

user_event! {
    /// A command of this service to itself: do what the registration of this id asks for.
    RegisterUser, "shop.accounts.register_user.v1" {}
}

user_event! {
    /// There is a new user, whose address is not validated yet.
    UserRegistered, "shop.accounts.user_registered.v1" {
        /// What they are called.
        user_name: UserName,
        /// Where they are written to.
        email: Email,
    }
}

user_event! {
    /// A registration came to nothing: the address is another user's, who is to be told. At most once an hour for an
    /// address.
    RegistrationRejected, "shop.accounts.registration_rejected.v1" {
        /// The address.
        email: Email,
    }
}

user_event! {
    /// The user has shown that the address is theirs.
    UserValidated, "shop.accounts.user_validated.v1" {
        /// What they are called.
        user_name: UserName,
        /// Where they are written to.
        email: Email,
    }
}

user_event! {
    /// The user is gone: whoever knows more of them than the id forgets it.
    UserDeleted, "shop.accounts.user_deleted.v1" {}
}
