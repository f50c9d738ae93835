//! Nobody gets in, nothing gets through: the processes from outside, as a stranger meets them.

mod broker;
mod clients;
mod forged;
mod hostile;
mod matrix;
mod operation;
mod poison;
mod traces;
