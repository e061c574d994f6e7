//! The file that declares a ceremony, as it was checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spiffe::TrustDomain;
use symbolon_crypto::{Component, digest};
use symbolon_hsm::{StoreLocation, StoreName};
use symbolon_pki::suite::Suite;

use super::plan_file;

/// The largest file that is read, in bytes.
pub const MAX_PLAN_LEN: u64 = 256 * 1024;

/// The most custodians a ceremony may have.
pub const MAX_CUSTODIANS: usize = 64;

/// A file to start from, which declares a root of software keys and says what else there may be.
pub const TEMPLATE: &str = include_str!("template.toml");

/// What a store is called that the custodians hold the key to, in shares.
pub const SHARED_STORE: &str = "software";

/// A ceremony's file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The system refused to read it.
    #[error("cannot read the ceremony's file {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Larger than [`MAX_PLAN_LEN`].
    #[error("the ceremony's file is larger than {MAX_PLAN_LEN} bytes")]
    TooLarge,
    /// Not TOML, an unknown field, or a value of the wrong kind; the source shows the line.
    #[error("the ceremony's file is wrong")]
    Parse(#[source] Box<toml::de::Error>),
    /// Well formed, but a value makes no sense.
    #[error("the ceremony's file is wrong in line {line}: {reason}")]
    Value {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// The name of a custodian or an intermediate: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text that is no such name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a name in a ceremony has 1 to 32 of a-z, 0-9 and '-'")]
pub struct InvalidName;

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=32).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName)
        }
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One who keeps a part of the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Custodian {
    /// What the ceremony calls them.
    pub name: Name,
    /// Who they are, in words.
    pub role: String,
    /// Where their share is written; within the output directory if it is relative.
    pub share: String,
}

/// How the custodians' shares are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShareProtection {
    /// Under a passphrase of each custodian's own.
    #[default]
    Passphrase,
    /// In the clear: whoever has the file has the share.
    None,
}

/// The root to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootPlan {
    /// What it signs with.
    pub suite: Suite,
    /// How long it lives.
    pub lifetime: Duration,
    /// How many authorities may stand below one another under it.
    pub path_length: u8,
    /// Whether its name constraints permit no URIs below it but those of the trust domain.
    pub name_constraints: bool,
    /// The store of each component's key, in the suite's order.
    pub keys: Vec<(Component, StoreName)>,
}

/// A store that keeps a key of the root, other than the shared one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StorePlan {
    /// Where it is.
    pub location: StoreLocation,
    /// The parts of its PIN, in order: who knows each. Without parts the location says where the PIN is.
    pub pin: Vec<Vec<Name>>,
}

/// What intermediates the root may sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// The longest lifetime.
    pub lifetime: Duration,
    /// The longest path below an intermediate.
    pub path_length: u8,
    /// The suites of their keys.
    pub suites: Vec<Suite>,
    /// How many there may be altogether.
    pub count: u32,
}

/// An intermediate that is signed as soon as the root is made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IntermediatePlan {
    /// What its files are called.
    pub name: Name,
    /// Its request; beside the ceremony's file if the path is relative.
    pub csr: String,
    /// How long it lives, if not as long as the policy allows.
    pub lifetime: Option<Duration>,
}

/// A ceremony's file that hangs together.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The file, to the byte.
    pub text: String,
    /// The trust domain of the root.
    pub trust_domain: TrustDomain,
    /// The organization in the root's subject.
    pub organization: String,
    /// The directory that everything is written to; beside the ceremony's file if the path is relative.
    pub output: String,
    /// The root.
    pub root: RootPlan,
    /// Stores by name, without the shared one.
    pub stores: BTreeMap<StoreName, StorePlan>,
    /// How many custodians it takes to use the root.
    pub quorum: u8,
    /// How shares are kept.
    pub protection: ShareProtection,
    /// The custodians, in the order of the file, which is that of their shares.
    pub custodians: Vec<Custodian>,
    /// What the root may sign.
    pub policy: Policy,
    /// What it signs at once.
    pub intermediates: Vec<IntermediatePlan>,
}

impl Plan {
    /// Reads the file and checks it.
    ///
    /// # Errors
    /// [`PlanError`], which names the line.
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        use std::io::Read as _;
        let read = |source| PlanError::Read {
            path: path.display().to_string(),
            source,
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_PLAN_LEN + 1).read_to_string(&mut text))
            .map_err(read)?;
        Self::parse(&text)
    }

    /// Checks a file's text.
    ///
    /// # Errors
    /// [`PlanError`], which names the line.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        if text.len() as u64 > MAX_PLAN_LEN {
            return Err(PlanError::TooLarge);
        }
        plan_file::read(text)
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> [u8; 32] {
        digest::sha256(self.text.as_bytes())
    }

    /// The custodian of this name.
    pub fn custodian(&self, name: &Name) -> Option<&Custodian> {
        self.custodians.iter().find(|custodian| custodian.name == *name)
    }

    /// Whether a key of the root is in the store that the custodians' shares open.
    pub fn has_shares(&self) -> bool {
        self.root
            .keys
            .iter()
            .any(|(_, store)| store.as_str() == SHARED_STORE)
    }

    /// The names of the other stores that keep a key of the root, each once.
    pub fn other_stores(&self) -> Vec<&StoreName> {
        let mut names: Vec<&StoreName> = Vec::new();
        for (_, name) in &self.root.keys {
            if name.as_str() != SHARED_STORE && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}
