//! What a tool prints. A reader that has gone (`… | head`) has read enough: the work goes on.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line to standard output: `println!` that does not panic.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::output::say(format_args!($($line)*)) };
}

/// Writes a line to standard error: `eprintln!` that does not panic.
#[macro_export]
macro_rules! complain {
    ($($line:tt)*) => { $crate::output::complain(format_args!($($line)*)) };
}

/// What [`say!`](crate::say!) does.
pub fn say(line: Arguments<'_>) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// What [`complain!`](crate::complain!) does.
pub fn complain(line: Arguments<'_>) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
