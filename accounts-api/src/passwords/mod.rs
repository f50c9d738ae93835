//! Passwords: which are taken, and their hashes.

mod common;
mod hasher;
mod password;

pub use hasher::{Hasher, Verdict};
pub use password::{NewPassword, Password};
