//! Transcripts by somebody who has the root's keys and another program: signed by the root, and still not believed.

use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use spiffe::TrustDomain;
use symbolon_ca::ceremony::event::{
    CeremonyBegun, CertificateIntended, CertificateMade, CustodianPresent, Event, FIRST, FORMAT, KeyMade,
    Purpose, SessionBegun, SessionClosed, ShareMade, StoreOpened, What, closing_message, link,
};
use symbolon_ca::ceremony::{AuditError, audit};
use symbolon_crypto::digest;
use symbolon_hsm::StoreName;
use symbolon_issuance::{
    Authority, AuthoritySpec, IntermediateRequest, IssuedCertificate, Linted, RootSpec, Serial,
    prepare_intermediate, prepare_root,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::suite::Suite;
use symbolon_pki::time::rfc3339;

use crate::support::{ALL, name, plan};

const SUITE: Suite = Suite::EcdsaP256;
const DAY: Duration = Duration::from_secs(86_400);

/// Writes what it is told to, and has the root sign it.
struct Forger {
    bytes: Vec<u8>,
    head: [u8; 32],
    next: u64,
    signer: SuiteSigner,
    serial: Serial,
    now: SystemTime,
}

impl Forger {
    /// A first session as it should be, of a root with this path length.
    fn new(path_length: u8) -> (Self, Certificate) {
        Self::wanting(path_length, "")
    }

    /// The same by a file that wants more of the root, which it does not get.
    fn wanting(path_length: u8, more: &str) -> (Self, Certificate) {
        let now = SystemTime::now();
        let signer = PrivateKey::generate(SUITE).unwrap().signer().unwrap();
        let serial = Serial::from_bytes([7; 16]).unwrap();
        let mut forger = Self {
            bytes: Vec::new(),
            head: FIRST,
            next: 0,
            signer,
            serial,
            now,
        };
        let root = format!("path_length = {path_length}\n{more}");
        let text = plan(SUITE, "").replace("path_length = 1", &root);
        forger.write(What::CeremonyBegun(CeremonyBegun {
            format: FORMAT,
            ceremony: "00".repeat(16),
            program: "another program".to_owned(),
            dry_run: false,
            plan_sha256: hex::encode(digest::sha256(text.as_bytes())),
            plan: text,
        }));
        forger.people(&ALL);
        for (index, custodian) in (1..).zip(ALL) {
            forger.write(What::ShareMade(ShareMade {
                custodian: name(custodian),
                index,
                threshold: 2,
                shares: 3,
                commitment: hex::encode([index; 32]),
            }));
        }
        forger.store();
        let key = SubjectKey::Suite(forger.signer.public_key().clone());
        forger.write(What::KeyMade(KeyMade {
            component: SUITE.components()[0],
            store: StoreName::parse("software").unwrap(),
            key_id: "00".repeat(16),
            label: String::new(),
            spki_sha256: hex::encode(key.component_spki_hashes()[0]),
            attributes: Default::default(),
            tpm: None,
        }));
        let linted = forger.prepare_root(path_length, 3650);
        let issued = linted.sign(&forger.signer).unwrap();
        let root = forger.certificate(Purpose::Root, "root", None, &issued);
        forger.close();
        (forger, root)
    }

    fn write(&mut self, what: What) {
        let event = Event {
            number: self.next,
            time: rfc3339(self.now),
            previous: hex::encode(self.head),
            what,
        };
        let line = serde_json::to_vec(&event).unwrap();
        self.head = link(&line);
        self.next += 1;
        self.bytes.extend(line);
        self.bytes.push(b'\n');
    }

    fn begin(&mut self) {
        self.write(What::SessionBegun(SessionBegun {
            program: "another program".to_owned(),
            after_interruption: false,
            bytes_cut: 0,
        }));
    }

    fn people(&mut self, people: &[&str]) {
        for custodian in people {
            self.write(What::CustodianPresent(CustodianPresent {
                name: name(custodian),
                role: format!("role of {custodian}"),
                share: true,
                pins: Vec::new(),
            }));
        }
    }

    fn store(&mut self) {
        self.write(What::StoreOpened(StoreOpened {
            store: StoreName::parse("software").unwrap(),
            kind: "software".to_owned(),
            token: None,
            tpm: None,
        }));
    }

    fn close(&mut self) {
        let time = rfc3339(self.now);
        let message = closing_message(&[0; 16], self.next, &self.head, &time);
        let signature = STANDARD.encode(self.signer.sign(&message).unwrap());
        self.write(What::SessionClosed(SessionClosed {
            suite: SUITE.name().to_owned(),
            signature,
        }));
    }

    fn prepare_root(&self, path_length: u8, days: u32) -> Linted {
        let spec = RootSpec {
            authority: AuthoritySpec {
                trust_domain: &TrustDomain::from_str("example.org").unwrap(),
                ttl: DAY * days,
                path_len: Some(path_length),
            },
            organization: "Example Ltd",
            constrains_names: false,
        };
        let serial = Serial::from_bytes(*self.serial.as_bytes()).unwrap();
        prepare_root(&spec, &self.signer, serial, self.now).unwrap()
    }

    /// The root's name and key under a certificate that allows more.
    fn indulgent_root(&self) -> Authority {
        let issued = self.prepare_root(1, 36_500).sign(&self.signer).unwrap();
        Authority::new(Certificate::from_der(issued.der()).unwrap(), self.signer.clone()).unwrap()
    }

    fn certificate(
        &mut self,
        purpose: Purpose,
        file: &str,
        csr: Option<&[u8]>,
        issued: &IssuedCertificate,
    ) -> Certificate {
        let certificate = Certificate::from_der(issued.der()).unwrap();
        self.write(What::CertificateIntended(CertificateIntended {
            purpose,
            name: name(file),
            serial: certificate.serial_hex(),
            tbs_sha256: hex::encode(digest::sha256(certificate.tbs_der())),
            csr_sha256: csr.map(|der| hex::encode(digest::sha256(der))),
        }));
        self.write(What::CertificateMade(CertificateMade {
            purpose,
            name: name(file),
            sha256: hex::encode(issued.sha256()),
            certificate: STANDARD.encode(issued.der()),
            csr: csr.map(|der| STANDARD.encode(der)),
        }));
        certificate
    }

    /// A session in which an intermediate is signed, `days` from now, for ten days.
    fn sign(&mut self, days: u32) {
        self.begin();
        self.people(&["alice", "bob"]);
        self.store();
        let key = PrivateKey::generate(SUITE).unwrap();
        let id = "spiffe://example.org".parse().unwrap();
        let der = CsrBuilder::new(&key.signer().unwrap())
            .spiffe_id(&id)
            .build()
            .unwrap();
        let csr = Csr::from_der(&der).unwrap();
        let authority = self.indulgent_root();
        let request = IntermediateRequest {
            key: csr.key(),
            alternative: None,
            ttl: DAY * 10,
            path_len: Some(0),
            serial: Serial::from_bytes([9; 16]).unwrap(),
            now: self.now + DAY * days,
        };
        let issued = prepare_intermediate(&authority, &request)
            .unwrap()
            .sign(&authority)
            .unwrap();
        self.certificate(Purpose::Intermediate, "site", Some(&der), &issued);
        self.close();
    }
}

fn wrong(forger: &Forger, root: &Certificate) -> String {
    let error = audit(&forger.bytes, root).unwrap_err();
    assert!(matches!(error, AuditError::Event { .. }), "{error}");
    error.to_string()
}

#[test]
fn the_forger_can_write_what_is_right() {
    let (mut forger, root) = Forger::new(1);
    audit(&forger.bytes, &root).unwrap();
    forger.sign(1);
    assert_eq!(audit(&forger.bytes, &root).unwrap().intermediates.len(), 1);
}

#[test]
fn a_session_in_which_nothing_was_signed_has_a_quorum_too() {
    for people in [&[][..], &["carol"]] {
        let (mut forger, root) = Forger::new(1);
        forger.begin();
        forger.people(people);
        forger.store();
        forger.close();
        let words = wrong(&forger, &root);
        assert!(
            words.contains("session-closed") && words.contains("the quorum is 2"),
            "{words}"
        );
    }
    let (mut forger, root) = Forger::new(1);
    forger.begin();
    forger.people(&["alice", "bob"]);
    forger.close();
    let words = wrong(&forger, &root);
    assert!(words.contains("software was not opened"), "{words}");
}

#[test]
fn a_root_has_the_name_constraints_that_its_file_wants() {
    let (forger, root) = Forger::wanting(1, "name_constraints = true");
    let error = audit(&forger.bytes, &root).unwrap_err();
    assert!(error.to_string().contains("scope of names"), "{error}");
    let (forger, root) = Forger::wanting(1, "name_constraints = false");
    audit(&forger.bytes, &root).unwrap();
}

#[test]
fn nothing_stands_below_a_root_of_path_length_0() {
    let (mut forger, root) = Forger::new(0);
    audit(&forger.bytes, &root).unwrap();
    forger.sign(1);
    let words = wrong(&forger, &root);
    assert!(words.contains("authority below this root"), "{words}");
}

#[test]
fn no_intermediate_outlives_the_root_or_begins_before_it() {
    let (mut forger, root) = Forger::new(1);
    forger.sign(3645);
    let words = wrong(&forger, &root);
    assert!(words.contains("outlive"), "{words}");
}
