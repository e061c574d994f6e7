//! A ceremony in a folder of its own, for its transcript.

use std::sync::Arc;

use symbolon_ca::ceremony::event::Event;
use symbolon_ca::ceremony::{Conductor, Declined, Plan, RunRequest, SecretWanted, run};
use symbolon_hsm::{Passphrase, PassphraseError};
use symbolon_pki::time::SystemClock;

const CUSTODIANS: [&str; 2] = ["alice", "bob"];

/// Says yes to everything.
struct Willing;

impl Conductor for Willing {
    fn step(&mut self, _: &str) {}

    fn confirm(&mut self, _: &str) -> Result<(), Declined> {
        Ok(())
    }

    fn secret(&mut self, _: &SecretWanted) -> Result<Passphrase, PassphraseError> {
        Passphrase::new(b"no secret at all".to_vec().into())
    }

    fn written(&mut self, _: &Event) {}
}

/// The transcript of a root that two custodians made.
pub(crate) fn make() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let custodians =
        CUSTODIANS.map(|name| format!("[[custodians]]\nname = \"{name}\"\nrole = \"custodian\"\n"));
    let plan = format!(
        "version = 1\ntrust_domain = \"example.org\"\norganization = \"Example Ltd\"\noutput = \"root\"\n[root]\n\
         suite = \"mldsa44-ecdsa-p256\"\nlifetime = \"3650d\"\npath_length = 1\n[quorum]\nneeded = 2\nshares = \"none\"\n\
         {}[policy]\nlifetime = \"365d\"\n",
        custodians.concat()
    );
    let request = RunRequest {
        plan: Plan::parse(&plan).expect("a plan"),
        base: folder.path().to_owned(),
        present: CUSTODIANS
            .iter()
            .map(|name| name.parse().expect("a name"))
            .collect(),
        dry_run: false,
        clock: Arc::new(SystemClock),
    };
    run(&request, &mut Willing).expect("a ceremony");
    std::fs::read(folder.path().join("root/transcript.jsonl")).expect("a transcript")
}
