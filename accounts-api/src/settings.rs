//! The settings that only this service has.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::ensure;
use ipnet::IpNet;
use serde::Deserialize;
use service_kit::link_token::LinkSettings;
use service_kit::settings::{Mode, check_ranges};
use utoipa::ToSchema;

/// The sections beside those that every service has.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How the links in mails are signed.
    #[serde(default)]
    pub links: LinkSettings,
    /// How passwords are hashed.
    #[serde(default)]
    pub passwords: PasswordSettings,
    /// Who may sign in, and how often one may try.
    #[serde(default)]
    pub sign_in: SignInSettings,
}

/// How passwords are hashed: Argon2id. The defaults are those that OWASP recommends.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordSettings {
    /// The memory of one hash, in KiB. A try with an unknown address costs what is set now. After a change of memory or
    /// passes a user's password is hashed anew when they sign in; until then a try with their address takes another time.
    /// Default 19,456 (19 MiB).
    pub memory_kib: u32,
    /// The passes over that memory. Default 2.
    pub passes: u32,
    /// Hashes that are made at once; each takes its memory and a processor. Default 2.
    pub concurrency: usize,
    /// Hashes that may wait for their turn; what comes then is answered with 503. Default 256.
    pub waiting: usize,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, concurrency: 2, waiting: 256 }
    }
}

impl PasswordSettings {
    /// Refuses what no machine has; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        check_ranges(&[
            ("passwords.memory_kib", self.memory_kib.into(), 8, 4 * 1024 * 1024),
            ("passwords.passes", self.passes.into(), 1, 1_000),
            ("passwords.concurrency", number(self.concurrency), 1, 1_000),
            ("passwords.waiting", number(self.waiting), 0, 1_000_000),
        ])
    }
}

/// Who may sign in, and how often one may try. A sign-in that succeeds uses up none of these.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignInSettings {
    /// How long a token counts, in seconds, at most a day. Default 3,600.
    pub token_lifetime_s: u32,
    /// Whether those may sign in who have not shown yet that their address is theirs. Default: in development mode.
    /// Elsewhere a registration followed by a sign-in would tell whether the address had been registered.
    pub before_validation: Option<bool>,
    /// Failed tries of one client with one address that are answered at once; later ones wait. Default 10.
    pub tries_of_client_with_address: u32,
    /// Failed tries of one client with any address. Default 60.
    pub tries_of_client: u32,
    /// Failed tries of all clients together with one address. Default 60.
    pub tries_with_address: u32,
    /// After how many seconds one of these tries is given back. Default 6.
    pub try_again_s: u32,
    /// Registrations of one client that are taken at once. Default 500.
    pub registrations_of_client: u32,
    /// Registrations that are taken at once for one inbox, whose addresses differ only in what stands after a `+`. One is
    /// given back after ten minutes. Default 5.
    pub registrations_of_inbox: u32,
    /// Proxies, the storefront for one, with commas between: addresses, networks (`10.0.0.0/8`) or names, whose
    /// addresses are looked up again every few seconds. A client is whom they name in `X-Forwarded-For`, the last who is
    /// no proxy. Default none: whoever connects is the client.
    #[schema(value_type = String, default = "")]
    pub trusted_proxies: Proxies,
}

/// Proxies whose word on their clients counts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Proxies {
    /// Addresses, as networks of one, and networks.
    pub networks: Vec<IpNet>,
    /// Names whose addresses are looked up.
    pub names: Vec<String>,
}

impl TryFrom<String> for Proxies {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut proxies = Self::default();
        for proxy in text.split(',').map(str::trim).filter(|proxy| !proxy.is_empty()) {
            if let Ok(address) = proxy.parse::<IpAddr>() {
                proxies.networks.push(address.to_canonical().into());
            } else if let Ok(network) = proxy.parse() {
                proxies.networks.push(network);
            } else if is_name(proxy) {
                proxies.names.push(proxy.to_owned());
            } else {
                return Err(format!(
                    "{proxy:?} is no address, network or name: write these with commas between"
                ));
            }
        }
        Ok(proxies)
    }
}

/// Whether this can be a host's name. The last part of one is not a number: that is a wrong address.
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_part) && !text.rsplit('.').next().is_some_and(is_number)
}

impl Default for SignInSettings {
    fn default() -> Self {
        Self {
            token_lifetime_s: 3_600,
            before_validation: None,
            tries_of_client_with_address: 10,
            tries_of_client: 60,
            tries_with_address: 60,
            try_again_s: 6,
            registrations_of_client: 500,
            registrations_of_inbox: 5,
            trusted_proxies: Proxies::default(),
        }
    }
}

/// The longest that a token may count. Keys that were replaced are published for as long.
pub const LONGEST_LIFETIME: Duration = Duration::from_hours(24);

impl SignInSettings {
    /// Refuses settings that cannot be; an error names what to set.
    pub fn check(&self) -> anyhow::Result<()> {
        let lifetime = self.token_lifetime();
        ensure!(
            (Duration::from_secs(1)..=LONGEST_LIFETIME).contains(&lifetime),
            "setting sign_in.token_lifetime_s must be 1 to {}",
            LONGEST_LIFETIME.as_secs()
        );
        let tries = [
            self.tries_of_client_with_address,
            self.tries_of_client,
            self.tries_with_address,
            self.try_again_s,
            self.registrations_of_client,
            self.registrations_of_inbox,
        ];
        ensure!(!tries.contains(&0), "settings sign_in.tries_* and the like must not be 0");
        Ok(())
    }

    /// How long a token counts.
    pub fn token_lifetime(&self) -> Duration {
        Duration::from_secs(self.token_lifetime_s.into())
    }

    /// Whether those may sign in who have not shown yet that their address is theirs.
    pub fn is_before_validation(&self, mode: Mode) -> bool {
        self.before_validation.unwrap_or(mode == Mode::Development)
    }
}
