//! What a command prints. A reader that has gone (`… | head`) has read enough: that is no failure.

use std::io::{self, ErrorKind, Write};

/// Writes a line to standard output.
pub fn say(line: &str) -> io::Result<()> {
    written(io::stdout().lock(), line)
}

/// Writes a line to standard error, as far as that is possible.
pub fn complain(line: &str) {
    drop(written(io::stderr().lock(), line));
}

fn written(mut to: impl Write, line: &str) -> io::Result<()> {
    match writeln!(to, "{line}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
