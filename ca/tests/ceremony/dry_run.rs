//! A rehearsal does everything and leaves nothing.

use symbolon_ca::ceremony::{AuditError, audit, run};
use symbolon_pki::suite::Suite;

use crate::support::{ALL, Room, Script, plan, planned};

#[test]
fn a_rehearsal_leaves_nothing_and_its_root_says_what_it_is() {
    let room = Room::new();
    room.csr("site", Suite::MlDsa65EcdsaP256);
    let text = plan(Suite::MlDsa65EcdsaP256, &planned("site"));
    let mut request = room.request(&text, &ALL);
    request.dry_run = true;

    let mut script = Script::default();
    let outcome = run(&request, &mut script).unwrap();
    assert!(outcome.audit.dry_run && outcome.files.is_empty());
    let subject = outcome.audit.root.subject();
    assert!(subject.contains("O=DRY RUN Example Ltd"), "{subject}");
    assert_eq!(outcome.audit.intermediates.len(), 1);

    assert!(!room.dir().exists());
    let written = script
        .steps
        .iter()
        .find_map(|step| step.split_once("is written to "));
    let share = std::path::Path::new(written.unwrap().1);
    let is_scratch = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("symbolon-dry-run-");
    let scratch = share
        .ancestors()
        .find(|dir| dir.file_name().is_some_and(is_scratch));
    assert!(!scratch.unwrap().exists(), "{}", share.display());

    // The real one is not in its way, and its transcript would not pass as one.
    let mut lines = Vec::new();
    for event in &script.events {
        lines.extend(serde_json::to_vec(event).unwrap());
        lines.push(b'\n');
    }
    let error = audit(&lines, &outcome.audit.root).unwrap_err();
    assert!(matches!(error, AuditError::DryRun), "{error}");
    request.dry_run = false;
    run(&request, &mut Script::default()).unwrap();
    assert!(!room.root().subject().contains("DRY RUN"));
}

#[test]
fn a_rehearsal_that_was_declared_real_is_not_believed() {
    let room = Room::new();
    let mut request = room.request(&plan(Suite::Ed25519, ""), &ALL);
    request.dry_run = true;
    let mut script = Script::default();
    let outcome = run(&request, &mut script).unwrap();
    let mut lines: Vec<String> = script
        .events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    lines[0] = lines[0].replace("\"dry_run\":true", "\"dry_run\":false");
    let text = lines.join("\n") + "\n";
    let error = audit(text.as_bytes(), &outcome.audit.root)
        .unwrap_err()
        .to_string();
    assert!(error.contains("event 1"), "{error}");
}
