//! The command of Debian 13: `verify`, `req`, `pkey`, `genpkey` and `pkeyutl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use symbolon_interop::cells::Peer;
use symbolon_interop::chain::{self, Chain};
use symbolon_interop::programs::run;
use symbolon_interop::trixie::Trixie;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::PrivateKeyKind;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use tempfile::TempDir;

use crate::{NAME, chains, known, result};

const MESSAGE: &[u8] = b"what one signs, the other verifies";

/// The command, with a folder that it works in.
pub(crate) struct OpenSsl {
    trixie: Trixie,
    folder: TempDir,
    pub(crate) peer: Peer,
}

impl OpenSsl {
    pub(crate) fn open() -> Self {
        let trixie = Trixie::open().unwrap();
        let said = run(trixie.command("usr/bin/openssl").arg("version")).unwrap();
        let said = String::from_utf8(said).unwrap();
        let version = said.split(' ').nth(1).unwrap();
        Self {
            trixie,
            folder: tempfile::tempdir().unwrap(),
            peer: Peer::new(NAME, version),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.file(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// The command with arguments, given as one line.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = self.trixie.command("usr/bin/openssl");
        command
            .current_dir(self.path())
            .args(arguments.split_whitespace());
        command
    }

    /// What it printed, or what it said when it failed.
    pub(crate) fn run(&self, arguments: &str) -> Result<String, String> {
        let printed = run(&mut self.command(arguments)).map_err(|error| format!("{error:#}"))?;
        Ok(String::from_utf8(printed).unwrap())
    }

    /// Verifies the folder's `leaf.pem`, for a client and for a server.
    pub(crate) fn verify(&self) -> Result<(), String> {
        for purpose in ["sslclient", "sslserver"] {
            let printed = self.run(&format!(
                "verify -x509_strict -check_ss_sig -purpose {purpose} -CAfile root.pem \
                 -untrusted intermediate.pem leaf.pem"
            ))?;
            assert_eq!(printed, "leaf.pem: OK\n");
        }
        Ok(())
    }

    /// A request for the SPIFFE ID [`chain::WORKLOAD`], by a new key that stays in `key.pem`.
    pub(crate) fn request(&self, newkey: &str) -> Vec<u8> {
        self.run(&format!(
            "req -new -nodes -newkey {newkey} -keyout key.pem -subj / -addext subjectAltName=URI:{} \
             -outform DER -out csr.der",
            chain::WORKLOAD
        ))
        .unwrap();
        self.read("csr.der")
    }
}

/// What `req -newkey` is told for a key of each of these kinds, with the authority that answers.
pub(crate) const NEW_KEYS: [(&str, &str, Suite); 9] = [
    (
        "classical/ecdsa-p256",
        "ec -pkeyopt ec_paramgen_curve:P-256",
        Suite::EcdsaP256,
    ),
    (
        "classical/ecdsa-p384",
        "ec -pkeyopt ec_paramgen_curve:P-384",
        Suite::EcdsaP384,
    ),
    ("classical/ed25519", "ed25519", Suite::Ed25519),
    ("classical/rsa-2048", "rsa:2048", Suite::EcdsaP256),
    ("classical/rsa-3072", "rsa:3072", Suite::EcdsaP256),
    ("classical/rsa-4096", "rsa:4096", Suite::EcdsaP384),
    ("ml-dsa/ml-dsa-44", "ML-DSA-44", Suite::MlDsa44),
    ("ml-dsa/ml-dsa-65", "ML-DSA-65", Suite::MlDsa65),
    ("ml-dsa/ml-dsa-87", "ML-DSA-87", Suite::MlDsa87),
];

#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn chains_are_verified_for_clients_and_servers() {
    for chain in chains() {
        let openssl = OpenSsl::open();
        let form = &*chain.form;
        chain.write(openssl.path()).unwrap();
        openssl.verify().unwrap_or_else(|error| panic!("{form}: {error}"));

        let other = Chain::issue(chain.suite).unwrap();
        openssl.write("root.pem", pem::encode("CERTIFICATE", &other.root).as_bytes());
        let error = openssl.verify().unwrap_err();
        assert!(error.contains("unable to get local issuer"), "{form}: {error}");
        openssl.peer.shows("chain", form, result(form)).unwrap();
    }
}

/// Roots that outlive their algorithms' welcome: hash-based, above ML-DSA and above ECDSA.
#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn slh_dsa_roots_are_verified() {
    for root in Suite::ALL {
        if !root.name().starts_with("slh-dsa-") {
            continue;
        }
        let openssl = OpenSsl::open();
        let chain = Chain::rooted(root, Suite::MlDsa65).unwrap();
        chain.write(openssl.path()).unwrap();
        openssl.verify().unwrap_or_else(|error| panic!("{root}: {error}"));
        openssl.peer.shows("chain", &chain.form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn their_requests_are_answered_with_chains_that_they_verify() {
    let openssl = OpenSsl::open();
    for (form, newkey, suite) in NEW_KEYS {
        let csr = openssl.request(newkey);
        let now = SystemTime::now();
        let authority = chain::self_signed(suite, now).unwrap();
        let leaf = chain::sign_csr(&authority, &csr).unwrap();
        let root = pem::encode("CERTIFICATE", authority.certificate().der());
        openssl.write("root.pem", root.as_bytes());
        openssl.write("intermediate.pem", root.as_bytes());
        openssl.write("leaf.pem", pem::encode("CERTIFICATE", &leaf).as_bytes());
        openssl.verify().unwrap_or_else(|error| panic!("{form}: {error}"));

        let certified = openssl.run("x509 -in leaf.pem -noout -pubkey").unwrap();
        assert_eq!(
            certified,
            openssl.run("pkey -in key.pem -pubout").unwrap(),
            "{form}"
        );
    }
}

/// SLH-DSA is for roots: no workload gets a certificate for such a key.
#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn their_requests_of_other_kinds_are_refused_with_the_reason() {
    let openssl = OpenSsl::open();
    for (newkey, reason) in [
        ("SLH-DSA-SHA2-128s", "slh-dsa"),
        ("rsa:1024", "1024"),
        ("ed448", "1.3.101.113"),
        (
            "ec -pkeyopt ec_paramgen_curve:secp256k1",
            "parameters that are not accepted",
        ),
    ] {
        let csr = openssl.request(newkey);
        let now = SystemTime::now();
        let authority = chain::self_signed(Suite::MlDsa44, now).unwrap();
        let error = chain::sign_csr(&authority, &csr).unwrap_err();
        let error = format!("{error:#}").to_lowercase();
        assert!(error.contains(reason), "{newkey}: {error}");
    }
}

#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn our_requests_are_read_and_prove_possession() {
    let openssl = OpenSsl::open();
    for chain in chains() {
        let form = &*chain.form;
        chain.write(openssl.path()).unwrap();
        openssl.run("req -verify -noout -in csr.pem").unwrap();
        let public = openssl.run("req -pubkey -noout -in csr.pem").unwrap();
        assert_eq!(public.as_bytes(), openssl.read("spki.pem"), "{form}");

        let mut turned = chain.csr;
        let place = turned.len() - 20;
        turned[place] ^= 1;
        openssl.write("csr.der", &turned);
        openssl
            .run("req -verify -noout -inform DER -in csr.der")
            .unwrap_err();
        openssl.peer.shows("our-request", form, result(form)).unwrap();
    }
}

/// It reads our keys and signs with them; our verifier believes that.
#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn our_private_keys_are_read_and_their_signatures_verified() {
    let openssl = OpenSsl::open();
    openssl.write("message", MESSAGE);
    for suite in known() {
        let chain = Chain::issue(suite).unwrap();
        let form = &*chain.form;
        chain.write(openssl.path()).unwrap();
        let public = openssl.run("pkey -in key.pem -pubout").unwrap();
        assert_eq!(public.as_bytes(), openssl.read("spki.pem"), "{suite}");
        openssl.peer.shows("our-key", form, "ok").unwrap();

        let digest = digest(suite);
        openssl
            .run(&format!(
                "pkeyutl -sign -rawin {digest} -inkey key.pem -in message -out theirs"
            ))
            .unwrap();
        let key = chain.key.public_key().unwrap();
        key.verify(MESSAGE, &openssl.read("theirs"))
            .unwrap_or_else(|error| panic!("{suite}: {error}"));
        openssl.peer.shows("their-signature", form, "ok").unwrap();

        let verify =
            format!("pkeyutl -verify -rawin {digest} -pubin -inkey spki.pem -in message -sigfile ours");
        let mut ours = chain.key.signer().unwrap().sign(MESSAGE).unwrap();
        openssl.write("ours", &ours);
        openssl
            .run(&verify)
            .unwrap_or_else(|error| panic!("{suite}: {error}"));
        let middle = ours.len() / 2;
        ours[middle] ^= 1;
        openssl.write("ours", &ours);
        openssl.run(&verify).unwrap_err();
        openssl.peer.shows("our-signature", form, "ok").unwrap();
    }
}

fn digest(suite: Suite) -> &'static str {
    match suite {
        Suite::EcdsaP256 => "-digest sha256",
        Suite::EcdsaP384 => "-digest sha384",
        _ => "",
    }
}

#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn their_private_keys_are_read_in_every_format_that_they_write() {
    let openssl = OpenSsl::open();
    let ml_dsa = [
        ("", PrivateKeyKind::Both),
        ("-provparam ml-dsa.output_formats=seed-only", PrivateKeyKind::Seed),
        ("-provparam ml-dsa.output_formats=seed-priv", PrivateKeyKind::Both),
        (
            "-provparam ml-dsa.output_formats=priv-only",
            PrivateKeyKind::Expanded,
        ),
    ];
    for suite in known() {
        let (algorithm, formats) = match suite {
            Suite::EcdsaP256 => (
                "EC -pkeyopt ec_paramgen_curve:P-256",
                &[("", PrivateKeyKind::Plain)][..],
            ),
            Suite::EcdsaP384 => (
                "EC -pkeyopt ec_paramgen_curve:P-384",
                &[("", PrivateKeyKind::Plain)][..],
            ),
            Suite::Ed25519 => ("ED25519", &[("", PrivateKeyKind::Plain)][..]),
            Suite::MlDsa44 => ("ML-DSA-44", &ml_dsa[..]),
            Suite::MlDsa65 => ("ML-DSA-65", &ml_dsa[..]),
            Suite::MlDsa87 => ("ML-DSA-87", &ml_dsa[..]),
            other => panic!("OpenSSL has no {other}"),
        };
        for (format, kind) in formats {
            openssl
                .run(&format!("genpkey -algorithm {algorithm} {format} -out key.pem"))
                .unwrap();
            openssl
                .run("pkey -in key.pem -pubout -outform DER -out spki.der")
                .unwrap();
            let ours = pem::private_key(&openssl.read("key.pem")).unwrap();
            assert_eq!((ours.suite(), ours.kind()), (suite, *kind));
            let public = ours.public_key().unwrap();
            assert_eq!(public.spki_der(), openssl.read("spki.der"), "{suite} {format}");
            let signature = ours.signer().unwrap().sign(MESSAGE).unwrap();
            public.verify(MESSAGE, &signature).unwrap();
        }
        openssl
            .peer
            .shows("their-key", &format!("{}/{suite}", suite.form()), "ok")
            .unwrap();
    }
}

/// A request that was cut short, lengthened or changed is refused, whatever made it.
#[test]
#[ignore = "needs programs of Debian 13; run by cargo xtask interop"]
fn their_requests_are_refused_when_they_are_not_whole() {
    let openssl = OpenSsl::open();
    for (form, newkey, _) in NEW_KEYS {
        let csr = openssl.request(newkey);
        Csr::from_der(&csr).unwrap();
        Csr::from_der(&csr[..csr.len() - 1]).unwrap_err();
        Csr::from_der(&[&csr[..], &[0]].concat()).unwrap_err();
        let mut turned = csr;
        let place = turned.len() - 20;
        turned[place] ^= 1;
        assert!(Csr::from_der(&turned).is_err(), "{form}");
    }
}
