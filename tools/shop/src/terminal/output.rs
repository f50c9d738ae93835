//! Writing to a reader that may be gone.
//!
//! `println!` panics when the other end of a pipe is gone (`cargo shop up | head`). The work
//! matters more than its messages, so it goes on.

use std::io::Write;

/// Writes a line to standard output, unless the reader is gone.
pub fn say(line: impl AsRef<str>) {
    print(line);
}

/// Writes a line to standard output; `false` if the reader is gone.
pub fn print(line: impl AsRef<str>) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line.as_ref()).and_then(|()| out.flush()).is_ok()
}

/// Writes a line to standard error, unless the reader is gone.
pub fn complain(line: impl AsRef<str>) {
    drop(writeln!(std::io::stderr().lock(), "{}", line.as_ref()));
}
