//! A ceremony in a scratch directory, and custodians who answer by themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spiffe::SpiffeId;
use symbolon_ca::ceremony::event::Event;
use symbolon_ca::ceremony::{
    CeremonyError, Conductor, CsrFile, Declined, Name, Outcome, Plan, RunRequest, SecretWanted, SignRequest,
    run, sign,
};
use symbolon_hsm::{Passphrase, PassphraseError};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::SystemClock;
use tempfile::TempDir;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Everybody, in the order of the plans below.
pub(crate) const ALL: [&str; 3] = ["alice", "bob", "carol"];

/// What is done as soon as an event is written.
pub(crate) type OnEvent = Box<dyn FnMut(&Event)>;

/// Answers every question by yes, and every wish for a secret by the custodian's own.
pub(crate) struct Script {
    pub(crate) steps: Vec<String>,
    pub(crate) events: Vec<Event>,
    pub(crate) asked: Vec<SecretWanted>,
    /// Secrets that differ from the custodian's usual one.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) yes: bool,
    /// Called with every event that was written.
    pub(crate) on_event: Option<OnEvent>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            secrets: BTreeMap::new(),
            yes: true,
            on_event: None,
        }
    }
}

impl Conductor for Script {
    fn step(&mut self, words: &str) {
        self.steps.push(words.to_owned());
    }

    fn confirm(&mut self, question: &str) -> Result<(), Declined> {
        self.steps.push(question.to_owned());
        if self.yes { Ok(()) } else { Err(Declined) }
    }

    fn secret(&mut self, wanted: &SecretWanted) -> Result<Passphrase, PassphraseError> {
        self.asked.push(wanted.clone());
        let who = wanted
            .custodian
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let secret = self.secrets.get(&who).cloned();
        let secret = secret.unwrap_or_else(|| usual_secret(&who));
        Passphrase::new(secret.into_bytes().into())
    }

    fn written(&mut self, event: &Event) {
        self.events.push(event.clone());
        if let Some(on_event) = &mut self.on_event {
            on_event(event);
        }
    }
}

pub(crate) fn usual_secret(custodian: &str) -> String {
    format!("the secret of {custodian}")
}

/// A directory for the files of one ceremony.
pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The ceremony's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.path().join("root")
    }

    /// A request for a new key, in a file of this name.
    pub(crate) fn csr(&self, file: &str, suite: Suite) -> (PathBuf, PrivateKey) {
        let key = PrivateKey::generate(suite).unwrap();
        (self.csr_of(file, &key, "spiffe://example.org"), key)
    }

    pub(crate) fn csr_of(&self, file: &str, key: &PrivateKey, id: &str) -> PathBuf {
        let id: SpiffeId = id.parse().unwrap();
        let der = CsrBuilder::new(&key.signer().unwrap())
            .spiffe_id(&id)
            .build()
            .unwrap();
        let path = self.path().join(format!("{file}.csr"));
        std::fs::write(&path, pem::encode(pem::CERTIFICATE_REQUEST, &der).as_bytes()).unwrap();
        path
    }

    pub(crate) fn request(&self, plan: &str, present: &[&str]) -> RunRequest {
        RunRequest {
            plan: Plan::parse(plan).unwrap(),
            base: self.path().to_owned(),
            present: present.iter().map(|text| name(text)).collect(),
            dry_run: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// Makes the root with everybody there.
    pub(crate) fn run(&self, plan: &str) -> Outcome {
        run(&self.request(plan, &ALL), &mut Script::default()).unwrap()
    }

    pub(crate) fn sign_request(&self, files: &[&str], present: &[&str]) -> SignRequest {
        SignRequest {
            dir: self.dir(),
            requests: files
                .iter()
                .map(|file| CsrFile {
                    name: name(file),
                    path: self.path().join(format!("{file}.csr")),
                    lifetime: None,
                })
                .collect(),
            present: present.iter().map(|text| name(text)).collect(),
            shares: BTreeMap::new(),
            clock: Arc::new(SystemClock),
        }
    }

    pub(crate) fn sign(&self, files: &[&str], present: &[&str]) -> Result<Outcome, CeremonyError> {
        sign(&self.sign_request(files, present), &mut Script::default())
    }

    pub(crate) fn transcript(&self) -> PathBuf {
        self.dir().join("transcript.jsonl")
    }

    pub(crate) fn root(&self) -> Certificate {
        certificates(&self.dir().join("root.pem")).remove(0)
    }
}

pub(crate) fn certificates(path: &Path) -> Vec<Certificate> {
    let text = std::fs::read(path).unwrap();
    pem::certificates(&text)
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// A ceremony of software keys, 2 of 3 custodians; `more` stands at the end.
pub(crate) fn plan(suite: Suite, more: &str) -> String {
    let custodians: String = ALL
        .map(|name| format!("[[custodians]]\nname = \"{name}\"\nrole = \"role of {name}\"\n"))
        .concat();
    format!(
        "version = 1\ntrust_domain = \"example.org\"\norganization = \"Example Ltd\"\noutput = \"root\"\n[root]\n\
         suite = \"{suite}\"\nlifetime = \"3650d\"\npath_length = 1\n[quorum]\nneeded = 2\nshares = \"none\"\n\
         {custodians}[policy]\nlifetime = \"365d\"\n{more}"
    )
}

/// An intermediate that is signed with the root.
pub(crate) fn planned(name: &str) -> String {
    format!("[[intermediates]]\nname = \"{name}\"\ncsr = \"{name}.csr\"\n")
}
