//! What stands for something outside of the shop.

use super::Program;

/// A program for development and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// The name of its process. It lives as long as this program, so that a [`Name`](super::Name) is cheap to copy.
    pub name: &'static str,
    /// Its program.
    pub program: Program,
    /// Where it prefers to take mail.
    pub smtp_port: Option<u16>,
    /// The setting by which a service that uses it gets its address.
    pub setting: String,
    /// The setting that names the file with what outlives its process.
    pub file: Option<String>,
    /// Further settings of its own.
    pub settings: Vec<(String, String)>,
}

impl Tool {
    /// The name of its address in `.shop/env`.
    pub fn variable(&self) -> String {
        format!("{}_URL", self.program.binary.to_uppercase().replace('-', "_"))
    }

    /// The setting by which the storefront gets the address of its HTTP side.
    pub fn page_setting(&self) -> String {
        format!("APP__{}__URL", self.name.to_uppercase())
    }

    /// The address that a service that uses it gets, where it listens on this host with these ports.
    pub fn address(&self, host: &str, port: u16, smtp_port: Option<u16>) -> String {
        match smtp_port {
            Some(port) => format!("smtp://{host}:{port}"),
            None => format!("http://{host}:{port}"),
        }
    }
}
