//! Keys that tokens are signed with (Ed25519, RFC 8037), and what is published of them.

use anyhow::{Context, anyhow};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::DEVELOPMENT_SECRET;

/// The id of the [development key](SigningKey::development). `cargo shop` has the same constant.
pub const DEVELOPMENT_KEY_ID: &str = "shop-development";

/// What a private key in DER begins with (RFC 8410, section 7); its 32 bytes follow.
const DER: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A private key. It says nothing of itself in a log.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    private: [u8; 32],
    public: [u8; 32],
}

/// A public key, as an issuer publishes it (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PublicKey {
    /// `OKP`.
    kty: &'static str,
    /// `Ed25519`.
    crv: &'static str,
    /// `EdDSA`.
    alg: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    usage: &'static str,
    /// Which key: the `kid` of the tokens that it signs.
    kid: String,
    /// The key itself, in base64url.
    x: String,
}

impl SigningKey {
    /// Makes up a new key, with the id that follows from it (RFC 7638).
    pub fn generate() -> anyhow::Result<Self> {
        let mut private = [0; 32];
        aws_lc_rs::rand::fill(&mut private).map_err(|error| anyhow!("no random bytes: {error}"))?;
        let mut key = Self::new("", private)?;
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, key.x());
        key.id = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
        Ok(key)
    }

    /// A key that was kept.
    pub fn of(id: &str, private: &[u8]) -> anyhow::Result<Self> {
        Self::new(id, private.try_into().context("a private key has 32 bytes")?)
    }

    /// The key that signs the tokens of `cargo shop token` and of the storefront's sign-in by name. It follows from
    /// [`DEVELOPMENT_SECRET`], so everybody has it: accounts publishes it in development mode alone.
    pub fn development() -> anyhow::Result<Self> {
        Self::new(DEVELOPMENT_KEY_ID, Sha256::digest(DEVELOPMENT_SECRET).into())
    }

    fn new(id: &str, private: [u8; 32]) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&private)
            .map_err(|error| anyhow!("not a private key: {error}"))?;
        let public = pair.public_key().as_ref().try_into().context("a public key has 32 bytes")?;
        Ok(Self { id: id.to_owned(), private, public })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The 32 secret bytes, to be kept where nobody else reads them.
    pub fn private(&self) -> &[u8] {
        &self.private
    }

    /// What may be published.
    pub fn public(&self) -> PublicKey {
        PublicKey {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            usage: "sig",
            kid: self.id.clone(),
            x: self.x(),
        }
    }

    fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.public)
    }

    pub(super) fn encoding(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&[DER.as_slice(), &self.private].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A: a private key, its public part and its thumbprint.
    #[test]
    fn a_public_key_follows_from_its_private_key() {
        let private = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::of("a", &private).unwrap();
        assert_eq!(key.public().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert!(SigningKey::of("a", &private[1..]).is_err());
        assert_ne!(SigningKey::generate().unwrap().id(), SigningKey::generate().unwrap().id());
    }
}
