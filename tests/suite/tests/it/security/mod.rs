//! Security: the processes as an attacker outside meets them.

mod broker;
mod clients;
mod forged;
mod hostile;
mod logs;
mod matrix;
mod operation;
mod poison;
mod traces;
