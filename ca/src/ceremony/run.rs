//! Making a root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_crypto::{HeldKey, random};
use symbolon_host::file::Pending;
use symbolon_hsm::{KeyLabel, KeyStore, Passphrase, StoreName};
use symbolon_issuance::{Authority, AuthoritySpec, RootSpec, Serial, prepare_root};
use symbolon_pki::key::{SuiteSigner, component_spki_hash};
use symbolon_pki::time::{Clock, rfc3339};

use super::audit::{self, Audit};
use super::conductor::{Conductor, SecretWanted};
use super::error::CeremonyError;
use super::event::{CeremonyBegun, CustodianPresent, FORMAT, KeyMade, Purpose, What};
use super::layout::Layout;
use super::plan::{Name, Plan, ShareProtection};
use super::policy::Taken;
use super::requests::{self, CsrFile, Request};
use super::scratch::Scratch;
use super::session::{Session, program};
use super::shamir::{self, Bytes};
use super::share::{self, Share, ShareError};
use super::stores::{self, Opened};
use super::transcript::Chain;
use super::{quorum, root};

/// What a root is to be made of.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The ceremony's file.
    pub plan: Plan,
    /// Where that file is: relative paths in it start here.
    pub base: PathBuf,
    /// Who is here.
    pub present: Vec<Name>,
    /// Whether this is a rehearsal, of which nothing is to be left.
    pub dry_run: bool,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What a ceremony came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The directory that everything is in; for a rehearsal the one it would have been.
    pub dir: PathBuf,
    /// What the transcript proves.
    pub audit: Audit,
    /// The files that were written beside it.
    pub files: Vec<PathBuf>,
    /// Where the custodians' shares are.
    pub shares: Vec<(Name, PathBuf)>,
}

/// Makes a root, and signs the intermediates that its file names.
///
/// Everything that can be checked is, and every secret asked for, before anything is made. What is written is on the
/// disk before the next step; the root's certificate comes out last, when the whole transcript was read back and
/// verified.
///
/// # Errors
/// [`CeremonyError`]. What had been made by then is destroyed, and the transcript, if there is one yet, says so.
pub fn run(request: &RunRequest, conductor: &mut dyn Conductor) -> Result<Outcome, CeremonyError> {
    let plan = &request.plan;
    let present = quorum::assign(plan, &request.present, true)?;
    let files: Vec<CsrFile> = plan
        .intermediates
        .iter()
        .map(|planned| CsrFile {
            name: planned.name.clone(),
            path: request.base.join(&planned.csr),
            lifetime: planned.lifetime,
        })
        .collect();
    let requests = requests::read(plan, &Taken::default(), &files)?;
    let real = Layout::new(request.base.join(&plan.output));
    if std::fs::symlink_metadata(real.dir()).is_ok() {
        return Err(CeremonyError::Exists(real.dir().to_owned()));
    }
    let shares = share_paths(plan, &real)?;

    let scratch = request.dry_run.then(Scratch::new).transpose()?;
    let rehearsal = scratch.as_ref().map(Scratch::path);
    let opened = stores::open(plan, &present, rehearsal, conductor)?;
    stores::check_offers(plan, &opened)?;
    let passphrases = passphrases(plan, conductor)?;
    let layout = match &scratch {
        Some(scratch) => Layout::new(scratch.path().join("ceremony")),
        None => real.clone(),
    };
    conductor.step(&format!(
        "It is {} by the clock of this machine",
        rfc3339(request.clock.now())
    ));
    conductor.confirm(&question(plan, request.dry_run, real.dir()))?;

    Layout::make_dir(layout.dir())?;
    symbolon_host::file::write_whole(&layout.plan(), plan.text.as_bytes(), 0o644)
        .map_err(CeremonyError::io("write", layout.plan()))?;
    let transcript = super::transcript::Transcript::create(&layout.transcript(), Arc::clone(&request.clock))?;
    let mut id = [0; 16];
    random::fill(&mut id)?;
    let mut making = Making {
        request,
        id,
        ceremony: hex::encode(id),
        layout: &layout,
        opened,
        passphrases,
        shares: match &scratch {
            Some(_) => plan
                .custodians
                .iter()
                .map(|custodian| {
                    (
                        custodian.name.clone(),
                        layout.dir().join(format!("shares/{}", custodian.name)),
                    )
                })
                .collect(),
            None => shares.clone(),
        },
        given: Vec::new(),
        session: Session {
            transcript,
            conductor,
            made: Vec::new(),
        },
    };
    if let Err(error) = making.make(&present, &requests) {
        making.session.stop(&error);
        making.given.iter().for_each(|path| share::discard(path));
        return Err(error);
    }
    drop(making);

    // What was written is what counts, not what was meant.
    let audit = audit::examine(&Chain::load(&layout.transcript())?)?;
    let files = if request.dry_run {
        Vec::new()
    } else {
        layout.publish(&audit)?
    };
    Ok(Outcome {
        dir: real.dir().to_owned(),
        audit,
        files,
        shares: if plan.has_shares() { shares } else { Vec::new() },
    })
}

fn question(plan: &Plan, dry_run: bool, dir: &Path) -> String {
    let what = format!(
        "a {} root of {} with {} in {}",
        plan.root.suite,
        plan.trust_domain,
        match plan.intermediates.len() {
            1 => "1 intermediate".to_owned(),
            count => format!("{count} intermediates"),
        },
        dir.display()
    );
    if dry_run {
        format!("Rehearse making {what}, and remove everything again?")
    } else {
        format!("Make {what}?")
    }
}

/// Where the shares go. None may be there yet, and the directories of those outside must be.
fn share_paths(plan: &Plan, layout: &Layout) -> Result<Vec<(Name, PathBuf)>, CeremonyError> {
    let mut paths = Vec::new();
    if !plan.has_shares() {
        return Ok(paths);
    }
    for custodian in &plan.custodians {
        let path = layout.share(custodian);
        if std::fs::symlink_metadata(&path).is_ok() {
            return Err(ShareError::Exists(path).into());
        }
        // A stick may be missing, be read-only, or have no permissions that keep a share to its owner.
        if Path::new(&custodian.share).is_absolute() {
            Pending::of_new(&path, 0o600)
                .map_err(CeremonyError::io("write a share to", &path))?
                .ok_or_else(|| ShareError::Exists(path.clone()))?;
        }
        paths.push((custodian.name.clone(), path));
    }
    Ok(paths)
}

/// Asks each custodian for the passphrase of the share that is about to be made.
fn passphrases(
    plan: &Plan,
    conductor: &mut dyn Conductor,
) -> Result<BTreeMap<Name, Passphrase>, CeremonyError> {
    let mut passphrases = BTreeMap::new();
    if plan.has_shares() && plan.protection == ShareProtection::Passphrase {
        for custodian in &plan.custodians {
            conductor.step(&format!(
                "{} ({}) comes to protect a share",
                custodian.name, custodian.role
            ));
            let secret = conductor.secret(&SecretWanted::share(custodian, true))?;
            passphrases.insert(custodian.name.clone(), secret);
        }
    }
    Ok(passphrases)
}

/// A root that is being made.
struct Making<'a> {
    request: &'a RunRequest,
    id: [u8; 16],
    ceremony: String,
    layout: &'a Layout,
    opened: BTreeMap<StoreName, Opened>,
    passphrases: BTreeMap<Name, Passphrase>,
    shares: Vec<(Name, PathBuf)>,
    /// Shares that were written.
    given: Vec<PathBuf>,
    session: Session<'a>,
}

impl Making<'_> {
    fn make(&mut self, present: &[CustodianPresent], requests: &[Request]) -> Result<(), CeremonyError> {
        let request = self.request;
        let plan = &request.plan;
        self.session.write(What::CeremonyBegun(CeremonyBegun {
            format: FORMAT,
            ceremony: self.ceremony.clone(),
            program: program(),
            dry_run: request.dry_run,
            plan_sha256: hex::encode(plan.sha256()),
            plan: plan.text.clone(),
        }))?;
        for custodian in present {
            self.session.write(What::CustodianPresent(custodian.clone()))?;
        }
        for (name, store) in &self.opened {
            self.session.write(What::StoreOpened(store.facts(name)?))?;
        }
        let shared = self.make_shared()?;
        let signer = self.make_keys(shared.as_ref())?;

        self.session.conductor.step("Making the root's certificate");
        let now = request.clock.now();
        let organization = root::organization(plan, request.dry_run);
        let spec = RootSpec {
            authority: AuthoritySpec {
                trust_domain: &plan.trust_domain,
                ttl: plan.root.lifetime,
                path_len: Some(plan.root.path_length),
            },
            organization: &organization,
            constrains_names: plan.root.name_constraints,
        };
        let linted = prepare_root(&spec, &signer, Serial::random(random::fill)?, now)?;
        let name: Name = "root"
            .parse()
            .map_err(|error: super::plan::InvalidName| CeremonyError::Sharing(error.to_string()))?;
        let certificate = self
            .session
            .certify(Purpose::Root, &name, None, linted, &signer)?;
        let authority = Authority::new(certificate, signer.clone())?;
        for request in requests {
            self.session
                .conductor
                .step(&format!("Signing the intermediate {}", request.name));
            self.session.sign(plan, &authority, request, now)?;
        }
        self.session.conductor.step("The root signs the transcript");
        self.session.close(&self.id, &signer)
    }

    /// Makes the software store, and shares the secret that opens it. A rehearsal has its own in any case, for the
    /// keys that would be made elsewhere.
    fn make_shared(&mut self) -> Result<Option<Opened>, CeremonyError> {
        let plan = &self.request.plan;
        if !plan.has_shares() && !self.request.dry_run {
            return Ok(None);
        }
        let mut secret = shamir::zeros();
        random::fill(&mut secret[..])?;
        if plan.has_shares() {
            self.give_shares(&secret)?;
        }
        let opened = stores::open_shared(&self.layout.keys(), &secret)?;
        if plan.has_shares() {
            let facts = opened.facts(&stores::shared_name()?)?;
            self.session.write(What::StoreOpened(facts))?;
        }
        Ok(Some(opened))
    }

    fn give_shares(&mut self, secret: &Bytes) -> Result<(), CeremonyError> {
        let plan = &self.request.plan;
        let count = u8::try_from(plan.custodians.len())
            .map_err(|_| CeremonyError::Sharing("there are too many custodians".to_owned()))?;
        let parts = shamir::split(secret, plan.quorum, count)?;
        let some: Vec<(u8, &Bytes)> = parts
            .iter()
            .rev()
            .take(usize::from(plan.quorum))
            .map(|(index, part)| (*index, part))
            .collect();
        if *shamir::combine(&some)? != **secret {
            return Err(CeremonyError::Sharing("its parts do not give it back".to_owned()));
        }
        if self
            .shares
            .iter()
            .any(|(_, path)| path.starts_with(self.layout.dir()))
        {
            Layout::ensure_dir(&self.layout.dir().join("shares"))?;
        }
        let paths = self.shares.clone();
        for ((name, path), part) in paths.iter().zip(parts) {
            self.session
                .conductor
                .step(&format!("The share of {name} is written to {}", path.display()));
            let share = Share::new(&self.ceremony, name, part, plan.quorum, count);
            share.write(&self.ceremony, path, self.passphrases.get(name))?;
            self.given.push(path.clone());
            self.session.write(What::ShareMade(share.made.clone()))?;
        }
        Ok(())
    }

    /// Makes the root's keys, each where it is to be.
    fn make_keys(&mut self, shared: Option<&Opened>) -> Result<SuiteSigner, CeremonyError> {
        let plan = &self.request.plan;
        let server = format!("ceremony-{}", self.ceremony.get(..8).unwrap_or_default());
        let mut held: Vec<Arc<dyn HeldKey>> = Vec::new();
        for (component, name) in &plan.root.keys {
            self.session
                .conductor
                .step(&format!("Making the {component} key in the store {name}"));
            let failed = |source| CeremonyError::Store {
                store: name.clone(),
                source: Box::new(source),
            };
            let rehearsed = self.request.dry_run.then_some(shared).flatten();
            let opened = rehearsed
                .or_else(|| self.opened.get(name))
                .or(shared)
                .ok_or_else(|| CeremonyError::Sharing(format!("the store {name} was not opened")))?
                .clone();
            let store: Arc<dyn KeyStore> = opened.store();
            let family = plan.root.suite.family().name();
            let label = KeyLabel::of(plan.trust_domain.as_str(), &server, family, *component)?;
            let (info, key) = store.generate(*component, &label).map_err(failed)?;
            self.session.made.push((store, info.id.clone()));
            let held_as = opened.held(&info.id).map_err(failed)?;
            self.session.write(What::KeyMade(KeyMade {
                component: *component,
                store: name.clone(),
                key_id: info.id.to_string(),
                label: label.to_string(),
                spki_sha256: hex::encode(component_spki_hash(&info.public_key)),
                attributes: held_as.attributes,
                tpm: held_as.tpm,
            }))?;
            held.push(key);
        }
        Ok(SuiteSigner::new(plan.root.suite, held)?)
    }
}
