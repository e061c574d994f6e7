//! Signing intermediates with a root that was made before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_crypto::HeldKey;
use symbolon_hsm::{KeyId, SoftwareStore, StoreName};
use symbolon_issuance::Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{SuiteSigner, component_spki_hash};
use symbolon_pki::time::{Clock, rfc3339};

use super::audit::{self, Audit, AuditError};
use super::conductor::{Conductor, SecretWanted};
use super::error::CeremonyError;
use super::event::{CustodianPresent, SessionBegun, What};
use super::layout::Layout;
use super::plan::{Name, Plan};
use super::policy::Taken;
use super::quorum;
use super::requests::{self, CsrFile, Request};
use super::run::Outcome;
use super::session::{Session, program};
use super::shamir::{self, Bytes};
use super::share::Share;
use super::stores::{self, Opened};
use super::transcript::{Chain, Transcript};

/// What is to be signed, and by whom.
#[derive(Clone, Debug)]
pub struct SignRequest {
    /// The ceremony's directory.
    pub dir: PathBuf,
    /// The requests.
    pub requests: Vec<CsrFile>,
    /// Who is here.
    pub present: Vec<Name>,
    /// Where shares are that are not where the ceremony's file says.
    pub shares: BTreeMap<Name, PathBuf>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// Signs intermediates. Everything is checked, and the root's keys are open, before the transcript is touched.
///
/// # Errors
/// [`CeremonyError`].
pub fn sign(request: &SignRequest, conductor: &mut dyn Conductor) -> Result<Outcome, CeremonyError> {
    if request.requests.is_empty() {
        return Err(CeremonyError::NothingToSign);
    }
    let layout = Layout::new(&request.dir);
    let (transcript, chain) = Transcript::open(&layout.transcript(), Arc::clone(&request.clock))?;
    let before = real(audit::examine(&chain)?)?;
    let plan = &before.plan;
    check_plan(&layout, plan)?;
    layout.refuse_strangers(&before)?;
    chain.check_room(request.requests.len())?;
    say_where_it_stands(&before, &*request.clock, conductor)?;
    let requests = requests::read(plan, &taken(&before)?, &request.requests)?;
    let present = quorum::assign(plan, &request.present, false)?;

    let mut opened = stores::open(plan, &present, None, conductor)?;
    if plan.has_shares() {
        let secret = secret(request, &layout, &before, &present, conductor)?;
        let keys = layout.keys();
        let name = stores::shared_name()?;
        // An empty directory would be made a new store.
        if SoftwareStore::is_new(&keys).map_err(stores::failed(&name))? {
            return Err(CeremonyError::OtherKeys(keys));
        }
        let shared = stores::open_shared(&keys, &secret)?;
        opened.insert(name, shared);
    }
    let signer = open_keys(&before, &opened)?;
    let authority = Authority::new(before.root.clone(), signer.clone())?;
    conductor.confirm(&question(plan, &requests))?;

    let mut session = Session {
        transcript,
        conductor,
        made: Vec::new(),
    };
    let held = Sitting {
        plan,
        id: id(&before)?,
        before: &before,
        chain: &chain,
        present: &present,
        opened: &opened,
    };
    if let Err(error) = held.hold(&mut session, &authority, &requests, &*request.clock) {
        session.stop(&error);
        return Err(error);
    }
    drop(session);

    let audit = audit::examine(&Chain::load(&layout.transcript())?)?;
    let files = layout.publish(&audit)?;
    Ok(Outcome {
        dir: request.dir.clone(),
        audit,
        files,
        shares: Vec::new(),
    })
}

/// Writes the certificates of a finished ceremony that are missing from its directory.
///
/// # Errors
/// [`CeremonyError`] if the transcript is not to be believed, or the system refuses.
pub fn export(dir: &Path, root: &Certificate) -> Result<Outcome, CeremonyError> {
    let layout = Layout::new(dir);
    let audit = audit::audit(&layout.read_transcript()?, root)?;
    let files = layout.publish(&audit)?;
    Ok(Outcome {
        dir: dir.to_owned(),
        audit,
        files,
        shares: Vec::new(),
    })
}

/// The root that the transcript in a directory is about; whether to trust it is the caller's to know.
///
/// # Errors
/// [`AuditError`].
pub fn root_of(dir: &Path) -> Result<Certificate, AuditError> {
    let layout = Layout::new(dir);
    Ok(audit::examine(&Chain::read(&layout.read_transcript()?)?)?.root)
}

/// The ceremony's file of a directory, as its transcript has it.
///
/// # Errors
/// [`AuditError`].
pub fn plan_of(dir: &Path) -> Result<Plan, AuditError> {
    let layout = Layout::new(dir);
    Ok(audit::examine(&Chain::read(&layout.read_transcript()?)?)?.plan)
}

fn real(audit: Audit) -> Result<Audit, AuditError> {
    if audit.dry_run {
        Err(AuditError::DryRun)
    } else {
        Ok(audit)
    }
}

fn check_plan(layout: &Layout, plan: &Plan) -> Result<(), CeremonyError> {
    let path = layout.plan();
    let text = std::fs::read(&path).map_err(CeremonyError::io("read", &path))?;
    if text != plan.text.as_bytes() {
        return Err(AuditError::File {
            path: path.display().to_string(),
            reason: "the ceremony's file was changed".to_owned(),
        }
        .into());
    }
    Ok(())
}

fn id(audit: &Audit) -> Result<[u8; 16], CeremonyError> {
    let mut id = [0; 16];
    hex::decode_to_slice(&audit.ceremony, &mut id).map_err(|_| AuditError::Empty)?;
    Ok(id)
}

/// The keys and names that the transcript knows.
fn taken(audit: &Audit) -> Result<Taken, CeremonyError> {
    let mut taken = Taken::default();
    let key = |certificate: &Certificate| {
        certificate
            .subject_key()
            .cloned()
            .map_err(|error| CeremonyError::Key(error.clone()))
    };
    taken.root(&key(&audit.root)?);
    for intermediate in &audit.intermediates {
        taken.intermediate(&intermediate.name, &key(&intermediate.certificate)?);
    }
    Ok(taken)
}

/// Says what people are to compare with their paper, and what they are about to sign for; refuses a clock that is
/// where the root does not live.
fn say_where_it_stands(
    before: &Audit,
    clock: &dyn Clock,
    conductor: &mut dyn Conductor,
) -> Result<(), CeremonyError> {
    let now = clock.now();
    let (from, until) = (before.root.not_before(), before.root.not_after());
    if now < from || now >= until {
        return Err(CeremonyError::Clock {
            now: rfc3339(now),
            from: rfc3339(from),
            until: rfc3339(until),
        });
    }
    conductor.step(&format!(
        "The transcript has {} events and the head {}; compare them with the paper",
        before.events, before.head
    ));
    if let Some(last) = before.sessions.last().filter(|_| !before.closed) {
        let people: Vec<_> = last.custodians.iter().map(Name::as_str).collect();
        conductor.step(&format!(
            "The session of {} with {} broke off after event {}: nobody has signed for it, and this session will",
            last.begun,
            match people.is_empty() {
                true => "nobody".to_owned(),
                false => people.join(", "),
            },
            last.last
        ));
    }
    conductor.step(&format!("It is {} by the clock of this machine", rfc3339(now)));
    Ok(())
}

fn question(plan: &Plan, requests: &[Request]) -> String {
    let names: Vec<_> = requests.iter().map(|request| request.name.as_str()).collect();
    format!(
        "Sign {} with the {} root of {}?",
        names.join(", "),
        plan.root.suite,
        plan.trust_domain
    )
}

/// Reads the shares of those present, each known to be the right one before any is used, and puts the secret together.
fn secret(
    request: &SignRequest,
    layout: &Layout,
    audit: &Audit,
    present: &[CustodianPresent],
    conductor: &mut dyn Conductor,
) -> Result<Bytes, CeremonyError> {
    let mut shares = Vec::new();
    for one in present {
        let custodian = audit.plan.custodian(&one.name);
        let made = audit.shares.iter().find(|made| made.custodian == one.name);
        let (Some(custodian), Some(made)) = (custodian, made) else {
            continue;
        };
        conductor.step(&format!("{} ({}) brings a share", custodian.name, custodian.role));
        let path = match request.shares.get(&custodian.name) {
            Some(path) => path.clone(),
            None => layout.share(custodian),
        };
        let passphrase = if Share::wants_passphrase(&path)? {
            Some(conductor.secret(&SecretWanted::share(custodian, false))?)
        } else {
            None
        };
        shares.push(Share::read(&audit.ceremony, &path, made, passphrase.as_ref())?);
    }
    let parts: Vec<(u8, &Bytes)> = shares
        .iter()
        .take(usize::from(audit.plan.quorum))
        .map(|share| (share.made.index, &share.part))
        .collect();
    Ok(shamir::combine(&parts)?)
}

/// Opens the root's keys, and sees that they are the root's.
fn open_keys(audit: &Audit, opened: &BTreeMap<StoreName, Opened>) -> Result<SuiteSigner, CeremonyError> {
    let mut held: Vec<Arc<dyn HeldKey>> = Vec::new();
    for made in &audit.keys {
        let failed = |source| CeremonyError::Store {
            store: made.store.clone(),
            source: Box::new(source),
        };
        let wrong = || CeremonyError::WrongKey {
            store: made.store.clone(),
            component: made.component,
        };
        let store = opened.get(&made.store).ok_or_else(wrong)?.store();
        let key = store.open(&KeyId::parse(&made.key_id)?).map_err(failed)?;
        if hex::encode(component_spki_hash(key.public_key())) != made.spki_sha256 {
            return Err(wrong());
        }
        held.push(key);
    }
    Ok(SuiteSigner::new(audit.plan.root.suite, held)?)
}

/// What a session is held with.
struct Sitting<'a> {
    plan: &'a Plan,
    id: [u8; 16],
    before: &'a Audit,
    chain: &'a Chain,
    present: &'a [CustodianPresent],
    opened: &'a BTreeMap<StoreName, Opened>,
}

impl Sitting<'_> {
    fn hold(
        &self,
        session: &mut Session<'_>,
        root: &Authority,
        requests: &[Request],
        clock: &dyn Clock,
    ) -> Result<(), CeremonyError> {
        session.transcript.drop_cut(self.chain)?;
        let closed_before = self.before.sessions.last().is_some_and(|last| last.closed);
        session.write(What::SessionBegun(SessionBegun {
            program: program(),
            after_interruption: !closed_before,
            bytes_cut: self.chain.cut,
        }))?;
        for custodian in self.present {
            session.write(What::CustodianPresent(custodian.clone()))?;
        }
        for (name, store) in self.opened {
            session.write(What::StoreOpened(store.facts(name)?))?;
        }
        for request in requests {
            session
                .conductor
                .step(&format!("Signing the intermediate {}", request.name));
            session.sign(self.plan, root, request, clock.now())?;
        }
        session.conductor.step("The root signs the transcript");
        session.close(&self.id, root.signer())
    }
}
