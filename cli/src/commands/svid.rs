//! `symbolon svid`: fetch, watch and verify identities.

mod fetch;
mod policy;
mod verify;

use std::time::SystemTime;

use anyhow::Result;
use futures_util::StreamExt as _;
use serde::Serialize;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{Half, SubjectKey};
use symbolon_pki::related::verify_pair;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use symbolon_pki::verify::{PathPolicy, VerifyOptions, verify_x509_svid_with};
use symbolon_tls::workload_api::{WorkloadApiClient, X509Context, X509Svid};

use crate::args::{Common, Svid};
use crate::output::{Show, bytes, table, with_alternative};
use crate::paths;

pub(crate) async fn run(common: &Common, command: &Svid) -> Result<()> {
    match command {
        Svid::Fetch(options) => fetch::run(common, options).await,
        Svid::Watch { form } => {
            let client = connect(common).await?;
            let mut updates = client.watch_x509(form).await?;
            loop {
                let update = tokio::select! {
                    update = updates.next() => update,
                    stopped = symbolon_host::shutdown::requested() => return stopped.map(drop).map_err(Into::into),
                };
                match update {
                    Some(context) => common
                        .output
                        .print_next(&Svids::of(&context?, SystemTime::now()))?,
                    None => return Ok(()),
                }
            }
        }
        Svid::Verify(options) => verify::run(common, options).await,
    }
}

async fn connect(common: &Common) -> Result<WorkloadApiClient> {
    let endpoint = paths::agent_endpoint(common.socket.as_deref(), common.data_dir.as_deref())?;
    Ok(WorkloadApiClient::connect(&endpoint).await?)
}

/// X.509-SVIDs as they are shown.
#[derive(Debug, Serialize)]
pub(crate) struct Svids {
    pub svids: Vec<SvidView>,
}

/// One X.509-SVID as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct SvidView {
    pub spiffe_id: String,
    pub form: String,
    /// Which half of a pair it is: `classical` or `post-quantum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half: Option<&'static str>,
    /// The leaf key's algorithm.
    pub algorithm: String,
    /// That of its alternative key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// The key identifier of the authority at the end of the verified path, else the one the leaf names.
    pub authority_id: String,
    pub serial: String,
    pub not_before: String,
    pub not_after: String,
    /// Size of the leaf certificate, in bytes.
    pub certificate_bytes: usize,
    /// Size of the PKCS#8 private key, in bytes.
    pub private_key_bytes: usize,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Whether the chain was verified against the bundle that came with it.
    pub verified: bool,
    /// Why not, if not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Svids {
    /// Every SVID of an answer, verified at `now` against the answer's bundles: pairs as pairs, and catalyst chains with
    /// both their signatures.
    pub(crate) fn of(context: &X509Context, now: SystemTime) -> Self {
        let mut svids: Vec<SvidView> = context
            .svids
            .iter()
            .map(|svid| SvidView::of(svid, &context.bundles, now))
            .collect();
        for (two, views) in context.svids.windows(2).zip(0..) {
            let [first, second] = two else { continue };
            if second.half() != Some(Half::PostQuantum) {
                continue;
            }
            if let Some(problem) = pair_problem(first, second, &context.bundles, now) {
                for view in svids.iter_mut().skip(views).take(2) {
                    view.verified = false;
                    view.problem.get_or_insert(problem.clone());
                }
            }
        }
        Self { svids }
    }
}

/// Why two SVIDs are not a pair to be believed.
fn pair_problem(first: &X509Svid, second: &X509Svid, bundles: &BundleSet, now: SystemTime) -> Option<String> {
    let verified = chain(first).and_then(|first| {
        let second = chain(second)?;
        verify_pair(&first, &second, bundles, now, &VerifyOptions::default()).map_err(|e| e.to_string())
    });
    verified.err()
}

fn chain(svid: &X509Svid) -> Result<Vec<Certificate>, String> {
    let read = |der| Certificate::from_der(der).map_err(|error| error.to_string());
    svid.identity.chain().iter().map(|der| read(der)).collect()
}

impl SvidView {
    fn of(svid: &X509Svid, bundles: &BundleSet, now: SystemTime) -> Self {
        let mut options = VerifyOptions::default();
        if svid.form() == Form::Catalyst {
            options.policy = PathPolicy::HybridRequired;
        }
        let chain = chain(svid);
        let (leaf, verdict) = match &chain {
            Ok(chain) => (
                chain.first(),
                verify_x509_svid_with(chain, bundles, now, &options).map_err(|e| e.to_string()),
            ),
            Err(error) => (None, Err(error.clone())),
        };
        let named_authority = leaf
            .and_then(Certificate::akid)
            .map(ToString::to_string)
            .unwrap_or_default();
        let (authority_id, problem) = match verdict {
            Ok(verified) => (verified.authority_id.to_string(), None),
            Err(problem) => (named_authority, Some(problem)),
        };
        Self {
            spiffe_id: svid.spiffe_id().to_string(),
            form: svid.form().to_string(),
            half: svid.half().map(|half| match half {
                Half::Classical => "classical",
                _ => "post-quantum",
            }),
            algorithm: svid.identity.signer().suite().to_string(),
            alternative: leaf
                .and_then(Certificate::alternative)
                .and_then(|alternative| alternative.key().ok())
                .map(SubjectKey::algorithm_name),
            authority_id,
            serial: leaf.map(Certificate::serial_hex).unwrap_or_default(),
            not_before: leaf.map(|leaf| rfc3339(leaf.not_before())).unwrap_or_default(),
            not_after: leaf.map(|leaf| rfc3339(leaf.not_after())).unwrap_or_default(),
            certificate_bytes: leaf.map(|leaf| leaf.der().len()).unwrap_or_default(),
            private_key_bytes: svid
                .private_key
                .to_pkcs8_der()
                .map(|der| der.len())
                .unwrap_or_default(),
            hint: svid.hint.clone(),
            verified: problem.is_none(),
            problem,
        }
    }
}

impl Show for Svids {
    fn text(&self) -> String {
        svid_table(&self.svids)
    }
}

/// The table of SVIDs that `svid fetch`, `svid watch` and `up` show. The SPIFFE ID stands above its rows, since it
/// would not fit beside them.
pub(crate) fn svid_table(svids: &[SvidView]) -> String {
    let mut text = String::new();
    let mut identities: Vec<&str> = svids.iter().map(|svid| svid.spiffe_id.as_str()).collect();
    identities.dedup();
    for identity in identities {
        let rows = svids
            .iter()
            .filter(|svid| svid.spiffe_id == identity)
            .map(|svid| {
                [
                    svid.form.clone(),
                    with_alternative(svid.algorithm.clone(), svid.alternative.as_deref()),
                    bytes(svid.certificate_bytes),
                    svid.not_after.clone(),
                    svid.authority_id.chars().take(16).collect(),
                    if svid.verified {
                        "yes".to_owned()
                    } else {
                        "NO".to_owned()
                    },
                ]
            });
        text.push_str(identity);
        text.push('\n');
        text.push_str(&table(
            ["form", "algorithm", "size", "expires", "signed by", "verified"],
            rows,
        ));
        for problem in svids.iter().filter_map(|svid| svid.problem.as_ref()) {
            text.push_str(&format!("  {problem}\n"));
        }
        text.push('\n');
    }
    text
}
