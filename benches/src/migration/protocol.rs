//! What a load and its workloads say to each other: a JSON document a line, over a socket of the load's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use symbolon_pki::suite::Form;

use crate::issuer::AnyError;

/// What one kind of connection is made with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// All that the source holds, with the default options: the stages decide what is shown.
    Stages,
    /// Classical SVIDs and no migration.
    Classical,
    /// ML-DSA SVIDs.
    MlDsa,
    /// Composite SVIDs.
    Composite,
    /// Catalyst SVIDs.
    Catalyst,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Stages,
        Self::Classical,
        Self::MlDsa,
        Self::Composite,
        Self::Catalyst,
    ];

    /// The one form of its SVIDs; `None` where the stages decide.
    pub const fn form(self) -> Option<Form> {
        match self {
            Self::Stages => None,
            Self::Classical => Some(Form::Classical),
            Self::MlDsa => Some(Form::MlDsa),
            Self::Composite => Some(Form::Composite),
            Self::Catalyst => Some(Form::Catalyst),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.form().map_or("stages", Form::name))
    }
}

/// Where a workload can be met.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Address {
    pub(super) spiffe_id: String,
    pub(super) lanes: BTreeMap<Lane, SocketAddr>,
}

/// What workloads are told.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Order {
    /// Meet these, the one of one's own number left out.
    Begin {
        peers: Vec<Address>,
        /// Milliseconds from one handshake of a workload to its next.
        pace: BTreeMap<Lane, u64>,
    },
    /// Begin no further handshake, and say when the last one is over.
    Stop,
}

/// What workloads say.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Said {
    /// It has its SVIDs and listens.
    Ready {
        number: usize,
        address: Address,
    },
    Holds(Holds),
    Done(Done),
    Failed(Failed),
    /// Something besides handshakes did not go as it should.
    Trouble(String),
    /// Its last handshake is over.
    Stopped,
}

/// What a workload has from its agent.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Holds {
    /// The stage that its source follows.
    pub(super) stage: Option<String>,
    /// The authority of its SVID, by form.
    pub(super) svids: BTreeMap<String, String>,
    /// The authorities that it trusts for X.509-SVIDs.
    pub(super) roots: BTreeSet<String>,
    /// The keys that it trusts for JWT-SVIDs.
    pub(super) jwt_keys: BTreeSet<String>,
    /// The key that signed the JWT-SVID that it shows.
    pub(super) jwt_key: Option<String>,
}

/// The two ends of a handshake.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) enum End {
    Client,
    Server,
}

/// A handshake that went well at one end, with a word from the other that it did there.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Done {
    pub(super) lane: Lane,
    pub(super) end: End,
    pub(super) began: Millis,
    pub(super) ended: Millis,
    /// What was presented.
    pub(super) presented: String,
    /// What the peer presented.
    pub(super) peer: String,
    /// Who signed that.
    pub(super) authority: String,
    /// The key that signed the token that came with it.
    pub(super) jwt_key: String,
}

/// One that went wrong.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Failed {
    pub(super) lane: Lane,
    pub(super) end: End,
    pub(super) began: Millis,
    pub(super) ended: Millis,
    /// The stage that this end follows.
    pub(super) stage: Option<String>,
    /// The client's end of the connection, by which both sides' words are put together.
    pub(super) client: Option<SocketAddr>,
    pub(super) server: SocketAddr,
    pub(super) reason: String,
}

/// A moment on this machine's clock, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub(super) struct Millis(pub(super) u64);

impl Millis {
    pub(super) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// How long after another it is.
    pub(super) fn after(self, other: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(other.0))
    }
}

/// A line that says this.
///
/// # Errors
/// None, for what is defined here.
pub(super) fn line(message: &impl Serialize) -> Result<String, AnyError> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    Ok(line)
}
