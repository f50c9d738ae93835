//! The ledger: what was charged and refunded, by idempotency key.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a request wants to be charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// For which order.
    pub order_id: String,
    /// How much.
    pub amount: Decimal,
    /// In which currency.
    pub currency: String,
}

/// A charge in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    /// Its id.
    pub charge_id: String,
    /// For which order.
    pub order_id: String,
    /// The key of the request.
    pub idempotency_key: String,
    /// How much.
    #[schema(value_type = String)]
    pub amount: Decimal,
    /// In which currency.
    pub currency: String,
    /// Whether it was given back.
    pub refunded: bool,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Entry {
    Charged(Charge),
    Refunded {
        charge_id: String,
    },
    /// A request with this key was not done.
    Refused {
        key: String,
    },
}

/// The ledger of one process; every entry is in the file before it counts.
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    file: Option<File>,
    /// Where the last entry in the file ends.
    end: u64,
    charges: Vec<Charge>,
    by_key: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    refused: HashMap<String, u32>,
}

impl Ledger {
    /// Opens the ledger in this file, with all that stands in it; without a file, an empty one.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let mut entries = Entries::default();
        if let Some(path) = path {
            let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
            let mut file = file.with_context(|| format!("cannot open the ledger {}", path.display()))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).context("cannot read the ledger")?;
            // A process that was killed may have left half a line: nobody was told of it.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let entry = serde_json::from_slice(line);
                entries.apply(entry.with_context(|| format!("{} is damaged", path.display()))?);
            }
            entries.end = whole as u64;
            file.set_len(entries.end).context("cannot write to the ledger")?;
            entries.file = Some(file);
        }
        Ok(Self(Mutex::new(entries)))
    }

    /// Charges what is wanted; a key that was used has its charge already, which is then not new.
    pub fn charge(&self, key: &str, wanted: &Wanted) -> Result<(Charge, bool)> {
        let mut entries = self.lock();
        if let Some(charge) = entries.of_key(key) {
            return Ok((charge.clone(), false));
        }
        let charge = Charge {
            charge_id: format!("ch_{}", Uuid::now_v7().simple()),
            order_id: wanted.order_id.clone(),
            idempotency_key: key.to_owned(),
            amount: wanted.amount,
            currency: wanted.currency.clone(),
            refunded: false,
        };
        entries.write(Entry::Charged(charge.clone()))?;
        Ok((charge, true))
    }

    /// The charge of this key.
    pub fn find(&self, key: &str) -> Option<Charge> {
        self.lock().of_key(key).cloned()
    }

    /// Gives a charge back, once; `None` if there is no such charge.
    pub fn refund(&self, charge_id: &str) -> Result<Option<Charge>> {
        let mut entries = self.lock();
        let Some(place) = entries.by_id.get(charge_id).copied() else { return Ok(None) };
        if !entries.charges[place].refunded {
            entries.write(Entry::Refunded { charge_id: charge_id.to_owned() })?;
        }
        Ok(entries.charges.get(place).cloned())
    }

    /// Notes that a request with this key was not done; returns how many were before it.
    pub fn refuse(&self, key: &str) -> Result<u32> {
        let mut entries = self.lock();
        let before = entries.refused.get(key).copied().unwrap_or(0);
        entries.write(Entry::Refused { key: key.to_owned() })?;
        Ok(before)
    }

    /// All charges, the oldest first.
    pub fn charges(&self) -> Vec<Charge> {
        self.lock().charges.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn of_key(&self, key: &str) -> Option<&Charge> {
        self.charges.get(*self.by_key.get(key)?)
    }

    fn write(&mut self, entry: Entry) -> Result<()> {
        if let Some(file) = &self.file {
            let mut line = serde_json::to_vec(&entry).context("cannot write to the ledger")?;
            line.push(b'\n');
            // What a write that failed half way has left stands behind the end, and is written over.
            file.write_all_at(&line, self.end).context("cannot write to the ledger")?;
            self.end += line.len() as u64;
        }
        self.apply(entry);
        Ok(())
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Charged(charge) => {
                let place = self.charges.len();
                self.by_key.insert(charge.idempotency_key.clone(), place);
                self.by_id.insert(charge.charge_id.clone(), place);
                self.charges.push(charge);
            }
            Entry::Refunded { charge_id } => {
                let charge = self.by_id.get(&charge_id).and_then(|place| self.charges.get_mut(*place));
                if let Some(charge) = charge {
                    charge.refunded = true;
                }
            }
            Entry::Refused { key } => *self.refused.entry(key).or_default() += 1,
        }
    }
}
