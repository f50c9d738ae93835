//! Writing to somebody who may have stopped reading.
//!
//! `println!` panics when the other end of a pipe is gone (`cargo shop up | head`). What is said here is
//! worth less than what is done: the work goes on unheard.

use std::io::Write;

/// Says a line on standard output, if anybody listens.
pub fn say(line: impl AsRef<str>) {
    print(line);
}

/// Says a line on standard output; `false` if nobody listens any more.
pub fn print(line: impl AsRef<str>) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line.as_ref()).and_then(|()| out.flush()).is_ok()
}

/// Says a line on standard error, if anybody listens.
pub fn complain(line: impl AsRef<str>) {
    drop(writeln!(std::io::stderr().lock(), "{}", line.as_ref()));
}
