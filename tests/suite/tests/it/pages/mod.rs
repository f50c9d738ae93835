//! The shop's pages, in a real browser, with real services behind them.

mod access;
mod accounts;
mod alerts;
mod browsing;
mod control_room;
mod decisions;
mod keyboard;
mod lists;
mod merchant;
mod orders;
mod shop;
mod unavailable;
mod visit;

use shop::Shop;
