//! What `up` says happened: one document, shown as a readable page or as JSON
//! (schema: `docs/src/reference/up-output.schema.json`).

use serde::Serialize;

use super::exchange::Exchange;
use crate::commands::svid::{SvidView, svid_table};
use crate::output::{Show, facts, table, with_alternative};

/// Everything that happened.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The trust domain.
    pub trust_domain: String,
    /// Where everything is kept.
    pub data_dir: String,
    /// Where the server is.
    pub server: ServerPart,
    /// The agent.
    pub agent: AgentPart,
    /// The key stores that are in use.
    pub key_stores: Vec<KeyStorePart>,
    /// The authorities that sign now.
    pub authorities: Vec<AuthorityPart>,
    /// The calling user's SVIDs, fetched through the agent's socket.
    pub svids: Vec<SvidView>,
    /// The exchange between two workloads.
    pub tls: Exchange,
    /// From the start of the program to the first SVID in hand, in milliseconds.
    pub first_svid_ms: u64,
}

/// The server's part.
#[derive(Debug, Serialize)]
pub(crate) struct ServerPart {
    /// Where it listens for agents.
    pub address: String,
    /// Its private socket.
    pub socket: String,
}

/// The agent's part.
#[derive(Debug, Serialize)]
pub(crate) struct AgentPart {
    /// Its identity.
    pub spiffe_id: String,
    /// Its Workload API, as `SPIFFE_ENDPOINT_SOCKET` wants it.
    pub socket: String,
    /// Whether it attested with a token in this run; if not, it goes on with the identity it had.
    pub attested: bool,
}

/// A key store.
#[derive(Debug, Serialize)]
pub(crate) struct KeyStorePart {
    /// Its name.
    pub name: String,
    /// `software`, `pkcs11` or `tpm`.
    pub kind: &'static str,
    /// Where it is, as `--keys` takes it.
    pub location: String,
}

/// Where one component of an authority's key is.
#[derive(Debug, Serialize)]
pub(crate) struct KeyPart {
    /// Its key type and signature scheme.
    pub component: String,
    /// The name of the store.
    pub store: String,
    /// The key's id there.
    pub key_id: String,
}

/// An authority that signs.
#[derive(Debug, Serialize)]
pub(crate) struct AuthorityPart {
    /// Its family.
    pub family: String,
    /// What it signs with.
    pub suite: String,
    /// What it signs with beside that, if it has an alternative key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// Its id.
    pub authority_id: String,
    /// When it expires.
    pub not_after: String,
    /// `new`, `kept` from an earlier run, `rotated` with time left, or `replaced` because the one before had expired.
    pub since: &'static str,
    /// Where its key is, component by component.
    pub keys: Vec<KeyPart>,
}

impl AuthorityPart {
    /// The stores of its key, each once.
    fn stores(&self) -> String {
        let mut names: Vec<&str> = self.keys.iter().map(|key| key.store.as_str()).collect();
        names.dedup();
        names.join(", ")
    }
}

impl Show for Report {
    fn text(&self) -> String {
        let authorities = self.authorities.iter().map(|authority| {
            [
                authority.family.clone(),
                with_alternative(authority.suite.clone(), authority.alternative.as_deref()),
                authority.since.to_owned(),
                authority.not_after.clone(),
                authority.authority_id.chars().take(16).collect(),
                authority.stores(),
            ]
        });
        // Encrypted files in the data directory, and nothing else, are what there is unless somebody asks for more.
        let shows_stores = self.key_stores.iter().any(|store| store.kind != "software");
        let stores = self
            .key_stores
            .iter()
            .filter(|_| shows_stores)
            .map(|store| [store.name.clone(), store.kind.to_owned(), store.location.clone()]);
        let stores = match shows_stores {
            true => format!("{}\n", table(["key store", "kind", "where"], stores)),
            false => String::new(),
        };
        let agent = if self.agent.attested {
            "attested with a join token"
        } else {
            "resumed the identity it had"
        };
        format!(
            "Trust domain {domain}\n\n{authorities}\n{stores}\
             The agent {agent}. Through its Workload API this user got:\n\n{svids}\
             Two workload processes then talked mutual TLS, each with its composite SVID:\n\n{tls}\n\
             This root is self-signed and made for trying: nobody outside this data directory trusts it.\n\n{places}",
            domain = self.trust_domain,
            authorities = table(
                ["family", "signs with", "since", "expires", "authority", "keys in"],
                authorities
            ),
            svids = svid_table(&self.svids),
            tls = facts(&[
                ("key exchange", self.tls.key_exchange.clone()),
                ("signature, listening end", self.tls.server_signature.clone()),
                ("signature, calling end", self.tls.client_signature.clone()),
                ("cipher suite", self.tls.cipher_suite.clone()),
                ("first SVID after", format!("{} ms", self.first_svid_ms)),
            ]),
            places = facts(&[
                ("server", self.server.address.clone()),
                ("workload API", self.agent.socket.clone()),
                ("data", self.data_dir.clone()),
            ]),
        )
    }
}
