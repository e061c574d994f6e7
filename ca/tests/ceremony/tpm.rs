//! A root in a TPM: its ECDSA half made and used there, its ML-DSA half a seed sealed to it.

use symbolon_ca::ceremony::event::What;
use symbolon_ca::ceremony::{audit_dir, run, sign};
use symbolon_pki::suite::Suite;
use symbolon_test_tokens::Swtpm;

use crate::support::{ALL, Room, Script, plan, planned};

const SUITE: Suite = Suite::MlDsa65EcdsaP256;

#[test]
fn a_composite_root_in_a_tpm_is_made_used_and_described() {
    let Some(tpm) = Swtpm::new() else { return };
    let room = Room::new();
    let records = room.path().join("records");
    let keys = format!(
        "[root.keys]\nml-dsa-65 = \"chip\"\necdsa-p256-sha256 = \"chip\"\n[stores.chip]\nlocation = \
         \"tpm:{}?dir={}&pcrs=sha256:16&deadline=120\"\n[quorum]",
        tpm.tcti(),
        records.display()
    );
    let text = plan(SUITE, &planned("site"))
        .replace("[quorum]", &keys)
        .replace("needed = 2", "needed = 1");
    room.csr("site", SUITE);

    let mut request = room.request(&text, &["alice"]);
    request.dry_run = true;
    run(&request, &mut Script::default()).unwrap();
    assert!(
        !records.exists() && !room.dir().exists(),
        "a rehearsal leaves nothing"
    );

    request.dry_run = false;
    let mut script = Script::default();
    let made = run(&request, &mut script).unwrap();
    assert!(made.shares.is_empty() && !room.dir().join("keys").exists());
    let opened = script.events.iter().find_map(|event| match &event.what {
        What::StoreOpened(opened) => opened.tpm.clone(),
        _ => None,
    });
    let chip = opened.unwrap();
    let manufacturer = tpm.tool("tpm2_getcap", &["properties-fixed"]);
    let manufacturer = manufacturer
        .split("TPM2_PT_MANUFACTURER:")
        .nth(1)
        .and_then(|text| text.split('"').nth(1))
        .unwrap()
        .trim();
    assert_eq!(chip.manufacturer.trim(), manufacturer);
    assert_eq!(chip.firmware_version.len(), 16, "{chip:?}");
    let held: Vec<_> = script
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::KeyMade(made) => Some(made.tpm.clone().unwrap()),
            _ => None,
        })
        .collect();
    assert!(!held[0].signs && held[1].signs, "{held:?}");
    assert!(held[0].pcrs.contains_key("sha256:16") && held[1].pcrs.is_empty());

    // The machine is off between sessions.
    tpm.reset();
    room.csr("later", SUITE);
    let mut request = room.sign_request(&["later"], &["bob"]);
    let signed = sign(&request, &mut Script::default()).unwrap();
    assert_eq!(signed.audit.intermediates.len(), 2);
    audit_dir(&room.dir(), &room.root()).unwrap();

    // Another machine state: the seed is not given out, the PCR is named, and the root's transcript bears it.
    tpm.extend("sha256:16", &"11".repeat(32));
    room.csr("last", SUITE);
    request = room.sign_request(&["last"], &[ALL[0]]);
    let error = sign(&request, &mut Script::default()).unwrap_err();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        words.push_str(&source.to_string());
        cause = source.source();
    }
    assert!(words.contains("sha256:16"), "{words}");
    assert!(!room.dir().join("intermediates/last.pem").exists());
    tpm.reset();
    request = room.sign_request(&["last"], &["carol"]);
    sign(&request, &mut Script::default()).unwrap();
    audit_dir(&room.dir(), &room.root()).unwrap();
}
