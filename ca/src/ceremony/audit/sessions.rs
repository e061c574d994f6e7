//! What may follow what.

use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_crypto::digest;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::event::{
    CeremonyBegun, CertificateIntended, CustodianPresent, Event, FORMAT, KeyMade, Purpose, SessionBegun,
    SessionClosed, ShareMade, StoreOpened, What, closing_message,
};
use super::super::plan::{Plan, SHARED_STORE};
use super::super::policy::Taken;
use super::super::quorum;
use super::{Audit, Intermediate, Session, certificates, id_bytes};

/// The kind of an event, as its line has it.
pub(super) fn kind(what: &What) -> &'static str {
    match what {
        What::CeremonyBegun(_) => "ceremony-begun",
        What::SessionBegun(_) => "session-begun",
        What::CustodianPresent(_) => "custodian-present",
        What::StoreOpened(_) => "store-opened",
        What::ShareMade(_) => "share-made",
        What::KeyMade(_) => "key-made",
        What::CertificateIntended(_) => "certificate-intended",
        What::CertificateMade(_) => "certificate-made",
        What::SessionStopped(_) => "session-stopped",
        What::SessionClosed(_) => "session-closed",
    }
}

/// How far the session is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// It has begun and was neither closed nor stopped.
    Open,
    /// It failed.
    Stopped,
    /// The root has signed for it.
    Closed,
}

/// What was seen up to an event.
pub(super) struct Auditor {
    id: [u8; 16],
    begun: CeremonyBegun,
    plan: Plan,
    state: State,
    present: Vec<CustodianPresent>,
    stores: Vec<StoreOpened>,
    first_stores: Vec<StoreOpened>,
    shares: Vec<ShareMade>,
    keys: Vec<KeyMade>,
    intended: Option<CertificateIntended>,
    root: Option<Certificate>,
    root_is_closed: bool,
    taken: Taken,
    intermediates: Vec<Intermediate>,
    sessions: Vec<Session>,
}

impl Auditor {
    /// Takes the first event.
    pub(super) fn begin(event: &Event) -> Result<Self, String> {
        check_time(&event.time)?;
        let What::CeremonyBegun(begun) = &event.what else {
            return Err("a transcript begins with the ceremony's beginning".to_owned());
        };
        if begun.format != FORMAT {
            return Err(format!(
                "the transcript has format {}, and this program knows {FORMAT}",
                begun.format
            ));
        }
        let id = id_bytes(begun).ok_or("the ceremony's id is not 32 hex digits")?;
        if hex::encode(digest::sha256(begun.plan.as_bytes())) != begun.plan_sha256 {
            return Err("the ceremony's file does not have the hash that is given for it".to_owned());
        }
        let plan = Plan::parse(&begun.plan).map_err(|error| error.to_string())?;
        Ok(Self {
            id,
            begun: begun.clone(),
            plan,
            state: State::Open,
            present: Vec::new(),
            stores: Vec::new(),
            first_stores: Vec::new(),
            shares: Vec::new(),
            keys: Vec::new(),
            intended: None,
            root: None,
            root_is_closed: false,
            taken: Taken::default(),
            intermediates: Vec::new(),
            sessions: vec![Session {
                first: event.number,
                last: event.number,
                begun: event.time.clone(),
                custodians: Vec::new(),
                closed: false,
            }],
        })
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), String> {
        check_time(&event.time)?;
        if let What::SessionBegun(begun) = &event.what {
            self.session_begun(event, begun)?;
            return Ok(());
        }
        match self.state {
            State::Open => {}
            State::Stopped => return Err("the session had failed before it".to_owned()),
            State::Closed => return Err("the session had been closed before it".to_owned()),
        }
        match &event.what {
            What::CustodianPresent(present) => self.custodian_present(present)?,
            What::StoreOpened(opened) => self.store_opened(opened)?,
            What::ShareMade(made) => self.share_made(made)?,
            What::KeyMade(made) => self.key_made(made)?,
            What::CertificateIntended(intended) => self.intended(intended)?,
            What::CertificateMade(made) => {
                let intended = self.intended.take().ok_or("nothing said that it was intended")?;
                certificates::check_intended(&intended, made)?;
                match made.purpose {
                    Purpose::Root => {
                        let root = certificates::root(&self.plan, self.begun.dry_run, &self.keys, made)?;
                        let key = root.subject_key().map_err(|error| error.to_string())?;
                        self.taken.root(key);
                        self.root = Some(root);
                    }
                    Purpose::Intermediate => {
                        let root = self.root.as_ref().ok_or("there is no root yet")?;
                        let (certificate, key) =
                            certificates::intermediate(&self.plan, &self.taken, root, &intended, made)?;
                        self.taken.intermediate(&made.name, &key);
                        self.intermediates.push(Intermediate {
                            name: made.name.clone(),
                            certificate,
                            session: self.sessions.len(),
                        });
                    }
                }
            }
            What::SessionStopped(_) => self.state = State::Stopped,
            What::SessionClosed(closed) => self.session_closed(event, closed)?,
            What::CeremonyBegun(_) | What::SessionBegun(_) => {
                return Err("a ceremony begins once".to_owned());
            }
        }
        if let Some(session) = self.sessions.last_mut() {
            session.last = event.number;
        }
        Ok(())
    }

    fn is_first(&self) -> bool {
        self.sessions.len() == 1
    }

    fn session_begun(&mut self, event: &Event, begun: &SessionBegun) -> Result<(), String> {
        if !self.root_is_closed {
            return Err("the ceremony that should have made the root was not finished".to_owned());
        }
        if begun.after_interruption == (self.state == State::Closed) {
            return Err("it does not say truly whether the session before was closed".to_owned());
        }
        self.state = State::Open;
        self.present.clear();
        self.stores.clear();
        self.intended = None;
        self.sessions.push(Session {
            first: event.number,
            last: event.number,
            begun: event.time.clone(),
            custodians: Vec::new(),
            closed: false,
        });
        Ok(())
    }

    fn custodian_present(&mut self, present: &CustodianPresent) -> Result<(), String> {
        if self.intended.is_some() || !self.stores.is_empty() {
            return Err("custodians come before anything is opened".to_owned());
        }
        self.present.push(present.clone());
        if let Some(session) = self.sessions.last_mut() {
            session.custodians.push(present.name.clone());
        }
        Ok(())
    }

    fn store_opened(&mut self, opened: &StoreOpened) -> Result<(), String> {
        let known = match self.plan.stores.get(&opened.store) {
            Some(store) => store.location.kind() == opened.kind,
            None => {
                opened.store.as_str() == SHARED_STORE && self.plan.has_shares() && opened.kind == "software"
            }
        };
        if !known {
            return Err(format!("the ceremony's file has no such store {}", opened.store));
        }
        if self.stores.iter().any(|other| other.store == opened.store) {
            return Err(format!("the store {} was opened already", opened.store));
        }
        self.stores.push(opened.clone());
        if self.is_first() {
            self.first_stores.push(opened.clone());
        }
        Ok(())
    }

    fn share_made(&mut self, made: &ShareMade) -> Result<(), String> {
        let at = self.shares.len();
        let custodian = self.plan.custodians.get(at).map(|custodian| &custodian.name);
        if !self.is_first() || !self.plan.has_shares() || self.root.is_some() {
            return Err("shares are made before the root, if its file wants them".to_owned());
        }
        if custodian != Some(&made.custodian) || usize::from(made.index) != at + 1 {
            return Err("it is not the next custodian's".to_owned());
        }
        let count = self.plan.custodians.len();
        if made.threshold != self.plan.quorum || usize::from(made.shares) != count {
            return Err(format!(
                "it is one of {} of which {} are needed, and the ceremony's file says {count} and {}",
                made.shares, made.threshold, self.plan.quorum
            ));
        }
        if self
            .shares
            .iter()
            .any(|other| other.commitment == made.commitment)
        {
            return Err("two shares are the same".to_owned());
        }
        self.shares.push(made.clone());
        Ok(())
    }

    fn key_made(&mut self, made: &KeyMade) -> Result<(), String> {
        if !self.is_first() || self.root.is_some() {
            return Err("the root's keys are made before the root, and never again".to_owned());
        }
        let planned = self.plan.root.keys.get(self.keys.len());
        if planned.map(|(component, store)| (component, store)) != Some((&made.component, &made.store)) {
            return Err("the ceremony's file wants another key, or another store for it".to_owned());
        }
        if !self.stores.iter().any(|opened| opened.store == made.store) {
            return Err(format!("the store {} was not opened", made.store));
        }
        self.keys.push(made.clone());
        Ok(())
    }

    /// Whether the quorum is here and the root's keys are open, without which the root signs nothing.
    fn root_can_be_used(&self) -> Result<(), String> {
        quorum::check(&self.plan, &self.present, self.is_first()).map_err(|error| error.to_string())?;
        for (_, store) in &self.plan.root.keys {
            if !self.stores.iter().any(|opened| opened.store == *store) {
                return Err(format!("the store {store} was not opened"));
            }
        }
        Ok(())
    }

    fn intended(&mut self, intended: &CertificateIntended) -> Result<(), String> {
        if self.intended.is_some() {
            return Err("the certificate that was intended before it was not made".to_owned());
        }
        self.root_can_be_used()?;
        match (intended.purpose, &self.root) {
            (Purpose::Root, Some(_)) => return Err("there is a root already".to_owned()),
            (Purpose::Root, None) => {
                let shares = if self.plan.has_shares() {
                    self.plan.custodians.len()
                } else {
                    0
                };
                if self.keys.len() != self.plan.root.keys.len() || self.shares.len() != shares {
                    return Err("not all keys and shares were made before it".to_owned());
                }
            }
            (Purpose::Intermediate, None) => return Err("there is no root yet".to_owned()),
            (Purpose::Intermediate, Some(_)) => {}
        }
        self.intended = Some(intended.clone());
        Ok(())
    }

    fn session_closed(&mut self, event: &Event, closed: &SessionClosed) -> Result<(), String> {
        if self.intended.is_some() {
            return Err("the certificate that was intended before it was not made".to_owned());
        }
        let root = self
            .root
            .as_ref()
            .ok_or("there is no root that could have signed")?;
        self.root_can_be_used()?;
        let Ok(SubjectKey::Suite(key)) = root.subject_key() else {
            return Err("the root has no key of a suite".to_owned());
        };
        if Suite::from_str(&closed.suite) != Ok(key.suite()) {
            return Err(format!(
                "it names the suite {}, and the root's is {}",
                closed.suite,
                key.suite()
            ));
        }
        let signature = STANDARD
            .decode(&closed.signature)
            .map_err(|_| "its signature is not base64")?;
        let mut previous = [0; 32];
        hex::decode_to_slice(&event.previous, &mut previous)
            .map_err(|_| "its link is not 32 bytes in hex")?;
        let message = closing_message(&self.id, event.number, &previous, &event.time);
        key.verify(&message, &signature)
            .map_err(|error| format!("the root did not sign this: {error}"))?;
        self.state = State::Closed;
        self.root_is_closed = true;
        if let Some(session) = self.sessions.last_mut() {
            session.closed = true;
        }
        Ok(())
    }

    /// What was proven; `None` if there is no root that was signed for.
    pub(super) fn finish(self, head: String, cut: bool) -> Option<Audit> {
        let root = self.root.filter(|_| self.root_is_closed)?;
        Some(Audit {
            ceremony: self.begun.ceremony,
            dry_run: self.begun.dry_run,
            plan: self.plan,
            root,
            keys: self.keys,
            stores: self.first_stores,
            shares: self.shares,
            intermediates: self.intermediates,
            events: self.sessions.last().map_or(0, |session| session.last + 1),
            closed: self.state == State::Closed && !cut,
            sessions: self.sessions,
            head,
        })
    }
}

fn check_time(time: &str) -> Result<(), String> {
    OffsetDateTime::parse(time, &Rfc3339)
        .map(|_| ())
        .map_err(|error| format!("{time:?} is no moment: {error}"))
}
