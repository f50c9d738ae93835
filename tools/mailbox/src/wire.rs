//! Lines and mails, with their limits and deadlines.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest line.
const LINE: u64 = 4096;
/// The largest mail.
pub(crate) const MAIL: usize = 256 << 10;
/// How long a line may take to come, and an answer to go.
const DEADLINE: Duration = Duration::from_mins(1);
/// How long the lines of a mail may take together.
const MAIL_DEADLINE: Duration = Duration::from_mins(2);

/// A connection, line by line.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// The next line without its end; an error where there is none, where it is too long, or comes too late.
    pub(crate) async fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.0).take(LINE);
        in_time(DEADLINE, limited.read_until(b'\n', &mut line)).await?;
        if line.pop() != Some(b'\n') {
            let is_long = line.len() as u64 + 1 >= LINE;
            return Err(if is_long {
                Error::new(ErrorKind::InvalidData, "a line is too long")
            } else {
                ErrorKind::UnexpectedEof.into()
            });
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    /// A mail, up to the line that is a dot alone. `None`: it was too large, and is read to its end all the same.
    pub(crate) async fn mail(&mut self) -> Result<Option<Vec<u8>>> {
        in_time(MAIL_DEADLINE, async {
            let (mut mail, mut is_small) = (Vec::new(), true);
            loop {
                let line = self.line().await?;
                if line == b"." {
                    return Ok(is_small.then_some(mail));
                }
                let line = line.strip_prefix(b".").unwrap_or(&line);
                is_small &= mail.len() + line.len() + 2 <= MAIL;
                if is_small {
                    mail.extend_from_slice(line);
                    mail.extend_from_slice(b"\r\n");
                }
            }
        })
        .await
    }

    /// Answers.
    pub(crate) async fn answer(&mut self, text: &str) -> Result<()> {
        let answer = format!("{text}\r\n");
        in_time(DEADLINE, self.0.get_mut().write_all(answer.as_bytes())).await
    }
}

async fn in_time<T>(limit: Duration, part: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, part).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
