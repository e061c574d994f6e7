use super::*;

const EXAMPLE: &str = include_str!("../example.toml");

/// The example with one thing changed.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(EXAMPLE.matches(from).count(), 1, "{from}");
    EXAMPLE.replace(from, to)
}

fn line_and_reason(text: &str) -> (usize, String) {
    match read(text).unwrap_err() {
        PlanError::Value { line, reason } => (line, reason),
        PlanError::Parse(error) => {
            let before = text.get(..error.span().unwrap().start).unwrap();
            (before.matches('\n').count() + 1, error.to_string())
        }
        other => panic!("{other}"),
    }
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn the_example_says_every_field() {
    let plan = read(EXAMPLE).unwrap();
    assert_eq!(plan.root.suite, Suite::MlDsa65EcdsaP256);
    assert_eq!(plan.quorum, 2);
    assert!(plan.has_shares());
    assert_eq!(plan.other_stores().len(), 1);
    assert_eq!(plan.custodians.len(), 3);
    assert_eq!(plan.custodians[1].share, "shares/bob.share");
    assert_eq!(plan.intermediates.len(), 1);
    assert_eq!(plan.policy.suites, [Suite::MlDsa65EcdsaP256]);
    assert!(plan.root.name_constraints);
    let stores: Vec<_> = plan.root.keys.iter().map(|(_, store)| store.as_str()).collect();
    assert_eq!(stores, ["software", "hsm"]);
}

#[test]
fn what_is_left_out_has_defaults() {
    let plan = read(
        "version = 1\ntrust_domain = \"example.org\"\noutput = \"root\"\n[root]\nsuite = \"ecdsa-p384\"\nlifetime = \
         \"10d\"\n[quorum]\nneeded = 1\n[[custodians]]\nname = \"a\"\nrole = \"b\"\n",
    )
    .unwrap();
    assert_eq!((plan.root.path_length, plan.policy.path_length), (1, 0));
    assert!(!plan.root.name_constraints);
    assert_eq!(plan.organization, "SPIFFE");
    assert_eq!(plan.policy.lifetime, plan.root.lifetime);
    assert_eq!(
        plan.policy.suites,
        [Suite::EcdsaP256, Suite::EcdsaP384, Suite::Ed25519]
    );
    assert_eq!(plan.protection, ShareProtection::Passphrase);
    assert!(plan.intermediates.is_empty() && plan.stores.is_empty());
}

#[test]
fn whatever_is_wrong_is_found_in_its_line() {
    for (from, to, at, words) in [
        ("version = 1", "version = 2", "version = 2", "version 1"),
        ("\"example.org\"", "\"Example Org\"", "Example Org", "trust"),
        (
            "mldsa65-ecdsa-p256\"\n# How long it",
            "rot13\"\n# How long it",
            "rot13",
            "unknown suite",
        ),
        (
            "lifetime = \"3650d\"",
            "lifetime = \"0d\"",
            "\"0d\"",
            "longer than nothing",
        ),
        (
            "ml-dsa-65 = \"software\"",
            "ml-dsa-87 = \"software\"",
            "ml-dsa-87",
            "ml-dsa-65 and",
        ),
        (
            "p256-sha256 = \"hsm\"",
            "p256-sha256 = \"vault\"",
            "\"vault\"",
            "no store vault",
        ),
        (
            "pkcs11:token=root?",
            "pkcs11:token=root?pin-value=1234&",
            "location",
            "pin-source",
        ),
        ("[\"carol\"]", "[\"dave\"]", "dave", "dave is no custodian"),
        ("[\"carol\"]", "[]", "location =", "somebody must know"),
        ("needed = 2", "needed = 4", "needed = 4", "1 to 3"),
        ("needed = 2", "needed = 0", "needed = 0", "1 to 3"),
        (
            "name = \"bob\"",
            "name = \"alice\"",
            "role = \"Head of operations\"",
            "alice is a custodian already",
        ),
        ("name = \"bob\"", "name = \"Bob\"", "\"Bob\"", "a-z"),
        ("\"Company secretary\"", "\"a\\u001b[2J\"", "u001b", "control"),
        ("lifetime = \"365d\"", "lifetime = \"9999d\"", "9999d", "outlive"),
        (
            "path_length = 0",
            "path_length = 1",
            "# The longest path",
            "smaller",
        ),
        (
            "suites = [\"mldsa65-ecdsa-p256\"]",
            "suites = [\"ecdsa-p256\"]",
            "suites = ",
            "does not certify",
        ),
        (
            "lifetime = \"180d\"",
            "lifetime = \"366d\"",
            "366d",
            "as long as this",
        ),
        ("count = 20", "count = 0", "name = \"site-a\"", "allows 0"),
        ("count = 20", "sum = 20", "sum", "unknown field"),
        (
            "\"shares/alice.share\"",
            "\"shares/bob.share\"",
            "name = \"bob\"",
            "over another",
        ),
        (
            "\"shares/alice.share\"",
            "\"root.pem\"",
            "root.pem",
            "absolute, or",
        ),
        (
            "\"shares/alice.share\"",
            "\"shares/../root.pem\"",
            "root.pem",
            "absolute, or",
        ),
        (
            "\"shares/alice.share\"",
            "\"shares/a/b\"",
            "shares/a/b",
            "absolute, or",
        ),
        (
            "\"shares/alice.share\"",
            "\"/media/../x\"",
            "/media",
            "absolute, or",
        ),
        (
            "lifetime = \"3650d\"",
            "lifetime = \"36526d\"",
            "36526d",
            "at most 36525d",
        ),
    ] {
        let text = changed(from, to);
        let (line, reason) = line_and_reason(&text);
        let near = line_of(&text, at);
        assert!(reason.contains(words), "{to}: {reason}");
        assert!(line.abs_diff(near) <= 1, "{to}: line {line}, not {near}");
    }
}

#[test]
fn a_pin_comes_from_one_place_and_files_are_not_declared() {
    let both = changed(
        "module-path=/usr/lib/softhsm/libsofthsm2.so",
        "module-path=/m.so&pin-source=file:/p",
    );
    assert!(line_and_reason(&both).1.contains("not from both"));
    let files = changed(
        "pkcs11:token=root?module-path=/usr/lib/softhsm/libsofthsm2.so",
        "software:/keys",
    );
    assert!(line_and_reason(&files).1.contains("shares open"));
    let records = changed(
        "pkcs11:token=root?module-path=/usr/lib/softhsm/libsofthsm2.so",
        "tpm:device:/dev/tpmrm0?dir=keys",
    );
    let records = records.replace("pin = [[\"alice\", \"bob\"], [\"carol\"]]", "");
    assert!(line_and_reason(&records).1.contains("is absolute"));
    read(&records.replace("dir=keys", "dir=/var/lib/keys")).unwrap();
    let secret = changed("pkcs11:token=root?", "pkcs11:token=root?pin-value=1234&");
    assert!(!line_and_reason(&secret).1.contains("1234"));
}

#[test]
fn names_are_constrained_to_what_can_be_compared() {
    let address = changed("\"example.org\"", "\"192.0.2.1\"");
    let (line, reason) = line_and_reason(&address);
    assert_eq!(line, line_of(&address, "name_constraints"));
    assert!(reason.contains("192.0.2.1 is no domain name"), "{reason}");
    read(&address.replace("name_constraints = true", "name_constraints = false")).unwrap();
}

#[test]
fn a_quorum_that_pins_cannot_reach_is_refused() {
    let all_on_the_token = changed("ml-dsa-65 = \"software\"", "ml-dsa-65 = \"hsm\"");
    assert!(!read(&all_on_the_token).unwrap().has_shares());
    let three = all_on_the_token.replace("needed = 2", "needed = 3");
    assert!(line_and_reason(&three).1.contains("2 parts of PINs"));
}

#[test]
fn the_template_can_be_used_as_it_is_and_with_what_it_leaves_out() {
    let plan = read(crate::ceremony::TEMPLATE).unwrap();
    assert!(plan.has_shares() && plan.stores.is_empty());
    let commented = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let all: String = crate::ceremony::TEMPLATE
        .lines()
        .map(|line| if commented(line) { &line[1..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let plan = read(&all).unwrap();
    assert!(plan.root.name_constraints);
    assert_eq!((plan.stores.len(), plan.other_stores().len()), (1, 1));
    assert!(plan.custodians[0].share.starts_with("/media"));
}
