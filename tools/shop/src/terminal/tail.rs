//! The ends of log files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How far back from its end a log is looked at, in bytes.
const REACH: u64 = 256 * 1024;

/// The last `lines` lines of a file; none if there is no such file.
///
/// Looks at the last 256 KiB only. What is not UTF-8 is replaced.
pub fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let start = length.saturating_sub(REACH);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(REACH).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut all: Vec<&str> = text.lines().collect();
    if start > 0 && !all.is_empty() {
        // The first line was cut somewhere in its middle.
        all.remove(0);
    }
    Ok(all[all.len().saturating_sub(lines)..].iter().map(|&line| line.to_owned()).collect())
}

/// Reads a log as it grows.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    position: u64,
    unfinished: Vec<u8>,
}

impl Follower {
    /// Follows from the present end of the file; it need not exist yet.
    pub fn from_end(path: &Path) -> Self {
        let position = std::fs::metadata(path).map_or(0, |file| file.len());
        Self { path: path.to_owned(), position, unfinished: Vec::new() }
    }

    /// The lines that were finished since the last call.
    ///
    /// A file that has become shorter was begun anew, and is read from its beginning.
    pub fn new_lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < self.position {
            self.position = 0;
            self.unfinished.clear();
        }
        file.seek(SeekFrom::Start(self.position))?;
        let read = file.take(REACH).read_to_end(&mut self.unfinished)?;
        self.position += u64::try_from(read).unwrap_or_default();

        let mut lines = Vec::new();
        while let Some(end) = self.unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        // A line without an end is shown in pieces rather than kept for ever.
        if u64::try_from(self.unfinished.len()).unwrap_or_default() > REACH {
            lines.push(String::from_utf8_lossy(&std::mem::take(&mut self.unfinished)).into_owned());
        }
        Ok(lines)
    }
}
