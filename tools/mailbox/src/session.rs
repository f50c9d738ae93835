//! One connection: the commands of RFC 5321, and what is answered.

use std::io::Result;
use std::time::Duration;

use actix_web::web::Data;
use tokio::net::TcpStream;

use crate::faults::{Faults, Kind};
use crate::store::Store;
use crate::wire::{MAIL, Wire};

/// The most recipients of a mail.
const RECIPIENTS: usize = 100;
/// The longest address, as RFC 5321 has it.
const ADDRESS: usize = 320;
/// How long a mail is not answered.
const HANG: Duration = Duration::from_mins(10);

/// A connection.
pub(crate) struct Session {
    wire: Wire,
    store: Data<Store>,
    faults: Data<Faults>,
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    pub(crate) fn new(stream: TcpStream, store: Data<Store>, faults: Data<Faults>) -> Self {
        Self { wire: Wire::new(stream), store, faults, from: None, to: Vec::new() }
    }

    /// Talks until the client has had enough.
    pub(crate) async fn run(mut self) -> Result<()> {
        self.wire.answer("220 mailbox ESMTP").await?;
        loop {
            let line = self.wire.line().await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match command.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    self.begin();
                    let size = MAIL;
                    let says = format!(
                        "250-mailbox\r\n250-SIZE {size}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN\r\n250 PIPELINING"
                    );
                    self.wire.answer(&says).await?;
                }
                "HELO" => {
                    self.begin();
                    self.wire.answer("250 mailbox").await?;
                }
                // Any password will do.
                "AUTH" if rest.to_ascii_uppercase().starts_with("PLAIN ") => {
                    self.wire.answer("235 welcome").await?;
                }
                "MAIL" => {
                    let answer = self.mail(rest);
                    self.wire.answer(&answer).await?;
                }
                "RCPT" => {
                    let answer = self.recipient(rest);
                    self.wire.answer(&answer).await?;
                }
                "DATA" if self.to.is_empty() => self.wire.answer("503 first say whom it is for").await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    self.begin();
                    self.wire.answer("250 forgotten").await?;
                }
                "NOOP" => self.wire.answer("250 fine").await?,
                "VRFY" => self.wire.answer("252 perhaps").await?,
                "QUIT" => return self.wire.answer("221 bye").await,
                _ => self.wire.answer("502 no such command").await?,
            }
        }
    }

    fn begin(&mut self) {
        self.from = None;
        self.to.clear();
    }

    fn mail(&mut self, rest: &str) -> String {
        let Some(from) = address(rest, "FROM:") else { return "501 MAIL FROM:<address>".to_owned() };
        self.begin();
        self.from = Some(from);
        "250 fine".to_owned()
    }

    fn recipient(&mut self, rest: &str) -> String {
        let Some(to) = address(rest, "TO:").filter(|to| !to.is_empty()) else {
            return "501 RCPT TO:<address>".to_owned();
        };
        if self.from.is_none() {
            return "503 first say whom it is from".to_owned();
        }
        if self.to.len() >= RECIPIENTS {
            return "452 too many recipients".to_owned();
        }
        if let Some(fault) = self.faults.take(Kind::Refuse) {
            // As servers do, with the address in it.
            return format!("{} <{to}> refused, as it was asked for", fault.code.unwrap_or(451));
        }
        self.to.push(to);
        "250 fine".to_owned()
    }

    /// Takes a mail; `false`: the connection ends without an answer.
    async fn data(&mut self) -> Result<bool> {
        self.wire.answer("354 go on, and end with a dot alone").await?;
        let Some(mail) = self.wire.mail().await? else {
            self.begin();
            self.wire.answer("552 the mail is too large").await?;
            return Ok(true);
        };
        let faults = self.faults.clone();
        let changed = faults.changed();
        if self.faults.take(Kind::Hang).is_some() {
            // Until then, or until the server stops; if the client leaves nobody minds.
            drop(tokio::time::timeout(HANG, changed).await);
            return Ok(false);
        }
        let is_kept = self.store.keep(self.from.as_deref().unwrap_or_default(), &self.to, &mail);
        self.begin();
        if self.faults.take(Kind::Die).is_some() {
            return Ok(false);
        }
        self.wire.answer(if is_kept { "250 kept" } else { "554 that is no mail" }).await?;
        Ok(true)
    }
}

/// The address in `FROM:<address> SIZE=1`.
fn address(rest: &str, keyword: &str) -> Option<String> {
    let rest = rest.trim_start();
    let after = rest.get(..keyword.len()).filter(|word| word.eq_ignore_ascii_case(keyword));
    let (address, _) = rest.get(after?.len()..)?.trim_start().strip_prefix('<')?.split_once('>')?;
    (address.len() <= ADDRESS).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_stands_in_angle_brackets() {
        assert_eq!(address("FROM:<a@b.example> SIZE=10", "FROM:").as_deref(), Some("a@b.example"));
        assert_eq!(address("to: <ü@b.example>", "TO:").as_deref(), Some("ü@b.example"));
        assert_eq!(address("FROM:<>", "FROM:").as_deref(), Some(""));
        for bad in ["FROM:a@b", "FRO", "€€€<a>", "FROM:<a", ""] {
            assert_eq!(address(bad, "FROM:"), None, "{bad}");
        }
    }
}
