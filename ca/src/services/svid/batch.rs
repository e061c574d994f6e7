//! `BatchNewX509SVID`: many certificates from an agent's entries, in parallel.

use symbolon_api::spire::api::server::svid::v1::{NewX509svidParams, batch_new_x509svid_response};
use symbolon_issuance::{Authority, SvidProfile};
use symbolon_pki::csr::Csr;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Form;
use symbolon_pki::text::printable;
use tonic::Status;

use super::{MAX_NAME, check_entry_id, log_issued, no_entry, policy, svid_message};
use crate::datastore::{AgentRecord, EntryRecord};
use crate::issuer::{IssuedX509, X509Order};
use crate::services::companion::{self, Holder};
use crate::services::{Core, MAX_REPLY, csr, ok};
use crate::telemetry::SVID_REFUSED;
use crate::wire::check_length;

/// What a certificate takes beside its key, its signature, its names and its chain: at most this many bytes.
const OVERHEAD: usize = 1024;

/// What a refusal takes beside its message, at most.
const REFUSAL_OVERHEAD: usize = 32;

/// Answers each item by itself, in order.
pub(super) async fn run(
    core: &Core,
    agent: &AgentRecord,
    params: Vec<NewX509svidParams>,
    forms: &[Form],
) -> Vec<batch_new_x509svid_response::Result> {
    let wanted = params.iter().map(|params| params.entry_id.as_str());
    let authorized = core.registrations.authorized_of(wanted, agent, core.clock.now());

    // Whether a request is for an entry of the agent's is settled before anything is verified for it.
    let mut ids = Vec::with_capacity(params.len());
    let mut items: Vec<Result<Item<'_>, Status>> = Vec::with_capacity(params.len());
    let mut requests = Vec::new();
    let mut room = MAX_REPLY;
    for (params, entry) in params.into_iter().zip(&authorized) {
        let item = Item::new(&params, entry.as_deref());
        match &item {
            Ok(_) => requests.push(params.csr),
            Err(status) => room = room.saturating_sub(length_of(status)),
        }
        ids.push(printable(&params.entry_id));
        items.push(item);
    }
    let mut read = csr::read_all(&core.issuer, requests, forms).await.into_iter();
    let mut orders = Vec::new();
    let mut ordered: Vec<Result<Item<'_>, Status>> = Vec::with_capacity(items.len());
    for item in items {
        let was_refused = item.is_err();
        let order = match &item {
            Ok(item) => match read.next() {
                Some(Ok(csr)) => item.order(core, &csr, agent).await,
                Some(Err(status)) => Err(status),
                None => Err(Status::internal("a request was lost")),
            },
            Err(status) => Err(status.clone()),
        };
        let reserved = order.and_then(|order| {
            room = reserve(core, room, &order)?;
            orders.push(order);
            item
        });
        if let Err(status) = &reserved
            && !was_refused
        {
            room = room.saturating_sub(length_of(status));
        }
        ordered.push(reserved);
    }

    let mut issued = core.issuer.issue(orders).await.into_iter();
    let finish = |(item, entry_id): (Result<Item<'_>, Status>, String)| {
        let outcome = item.and_then(|item| match issued.next() {
            Some(result) => Ok((item.entry, result?)),
            None => Err(Status::internal("the issuer gave no answer")),
        });
        result(outcome, &entry_id, forms)
    };
    ordered.into_iter().zip(ids).map(finish).collect()
}

/// One item of the batch, as far as its entry is concerned.
struct Item<'a> {
    entry: &'a EntryRecord,
    /// What it asks for beside its key.
    form: Option<Form>,
}

impl<'a> Item<'a> {
    fn new(params: &NewX509svidParams, entry: Option<&'a EntryRecord>) -> Result<Self, Status> {
        check_entry_id(&params.entry_id)?;
        check_length("form", &params.form, MAX_NAME)?;
        let form = match params.form.as_str() {
            "" => None,
            name => {
                let form: Form = name
                    .parse()
                    .map_err(|error| Status::invalid_argument(format!("form: {error}")))?;
                Some(form)
            }
        };
        let entry = entry.ok_or_else(|| no_entry(&params.entry_id))?;
        Ok(Self { entry, form })
    }

    async fn order(&self, core: &Core, csr: &Csr, agent: &AgentRecord) -> Result<X509Order, Status> {
        if let Some(form) = self.form
            && form != csr.form()
        {
            return Err(Status::invalid_argument(mismatch(form, csr)));
        }
        policy::check(self.entry, csr)?;
        let holder = Holder {
            spiffe_id: &self.entry.spiffe_id,
            entry_id: Some(&self.entry.id),
        };
        Ok(X509Order {
            profile: SvidProfile::Workload,
            companion: companion::of(core, csr, holder).await?,
            spiffe_id: self.entry.spiffe_id.clone(),
            key: csr.key().clone(),
            dns_names: self.entry.dns_names.clone(),
            ttl: self
                .entry
                .x509_svid_ttl(core.lifetimes().svid.0, core.clock.now()),
            ends_by: self.entry.not_after,
            entry_id: Some(self.entry.id.clone()),
            agent_id: Some(agent.spiffe_id.clone()),
        })
    }
}

/// What is wrong with a request that says one form and is for another.
fn mismatch(form: Form, csr: &Csr) -> String {
    let (found, key) = (csr.form(), csr.key().algorithm_name());
    let advice = match form {
        Form::Paired => {
            "; a pair is asked for with two requests: a classical one, then one with an ML-DSA key and the attribute \
             relatedCertRequest that names what came of the first"
        }
        Form::Catalyst => {
            "; it takes an ECDSA key with an alternative key of ML-DSA in the request's attributes"
        }
        _ => "",
    };
    format!("form is {form}, and csr is for one of form {found} ({key}){advice}")
}

/// Sets aside what an order's certificate will take of the reply, so that nothing is issued that cannot be sent.
/// Returns the room that is left.
///
/// # Errors
/// `ResourceExhausted` when there is not enough.
fn reserve(core: &Core, room: usize, order: &X509Order) -> Result<usize, Status> {
    let signatures = match core.authorities.active(order.form().family()) {
        Some(authority) => longest_signatures(&authority),
        // The issuer says what is missing.
        None => 0,
    };
    let keys: usize = order.keys().map(|key| key.spki_der().len()).sum();
    let names: usize = order.dns_names.iter().map(|name| name.len() + 4).sum();
    let id = 2 * order.spiffe_id.to_string().len();
    let needed = OVERHEAD + keys + signatures + names + id;
    room.checked_sub(needed).ok_or_else(|| {
        Status::resource_exhausted("the reply is full; ask for this certificate in another, smaller batch")
    })
}

/// What a refusal takes of the reply.
fn length_of(status: &Status) -> usize {
    status.message().len() + REFUSAL_OVERHEAD
}

/// How long the signatures of a certificate of this authority's can be, together.
fn longest_signatures(authority: &Authority) -> usize {
    let alternative = authority.alternative().map(SuiteSigner::suite);
    let suites = [Some(authority.suite()), alternative].into_iter().flatten();
    suites
        .flat_map(|suite| suite.components())
        .map(|component| component.max_signature_len())
        .sum()
}

fn result(
    outcome: Result<(&EntryRecord, IssuedX509), Status>,
    entry_id: &str,
    forms: &[Form],
) -> batch_new_x509svid_response::Result {
    match outcome {
        Ok((entry, issued)) => {
            log_issued(&issued, Some(entry_id));
            let svid = svid_message(issued, &entry.hint, forms);
            batch_new_x509svid_response::Result {
                status: Some(ok()),
                svid: Some(svid),
            }
        }
        Err(status) => {
            tracing::warn!(event = SVID_REFUSED, entry_id, code = ?status.code(), reason = status.message());
            batch_new_x509svid_response::Result {
                status: Some((&status).into()),
                svid: None,
            }
        }
    }
}
