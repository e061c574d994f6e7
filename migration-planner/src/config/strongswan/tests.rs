use super::*;
use crate::config::testing::{finds, outline, stands};

#[test]
fn swanctl() {
    let sample = include_str!("swanctl.conf");
    finds(
        &StrongSwan,
        "swanctl.conf",
        sample,
        include_str!("swanctl.conf.outline"),
    );
    stands(
        &StrongSwan,
        "swanctl.conf",
        sample,
        &[b"correct horse battery staple", b"swordfish99", b"87654321"],
    );
}

#[test]
fn ipsec_conf() {
    let sample = include_str!("ipsec.conf");
    finds(
        &StrongSwan,
        "ipsec.conf",
        sample,
        include_str!("ipsec.conf.outline"),
    );
    stands(&StrongSwan, "ipsec.conf", sample, &[]);
}

#[test]
fn ipsec_secrets() {
    let sample = include_str!("ipsec.secrets");
    finds(
        &StrongSwan,
        "ipsec.secrets",
        sample,
        include_str!("ipsec.secrets.outline"),
    );
    stands(
        &StrongSwan,
        "ipsec.secrets",
        sample,
        &[b"open sesame 1", b"v+NkxY9LLZvwj4qCC2o/gGrWDF2d21jL", b"Ar3etTnp"],
    );
}

#[test]
fn post_quantum_exchanges_and_strangers_are_inventoried() {
    let found = crate::scan::conformance::show(&StrongSwan, "swanctl.conf", include_bytes!("swanctl.conf"));
    let place = |name: &str| crate::config::testing::place_of(&found, name);
    assert_eq!(
        (place("ML-KEM-768"), place("frob"), place("3DES-168-CBC")),
        (Some(5), Some(19), Some(19))
    );
}

#[test]
fn sections_take_over_templates_and_may_stand_on_one_line() {
    let sample = "base {\n  version = 2\n  proposals = aes256-sha256-modp2048\n  local { certs = base.pem }\n  \
        children { net { esp_proposals = aes128gcm16 } }\n}\nconnections {\n  rw : base {\n    \
        local { auth = \"pubkey\" }\n    proposals = aes256gcm16-prfsha384-ecp384\n  }\n  \
        loop : connections.loop, connections.rw { remote_addrs = 10.0.0.1 }\n}\n\
        secrets { ike-1 { secret = \"hidden } hidden\" } }\nauthorities { x { cacert = ca.pem } }\n";
    let all = outline(&StrongSwan, "swanctl.conf", sample);
    for line in [
        "service IPsec connection rw @4 [] asks",
        "  certificate-file=base.pem",
        "  authentication=local pubkey",
        "service IPsec connection loop @4 [ike://10.0.0.1] asks",
        "service IPsec secret ike-1 @14 []",
        "service IPsec authority x @15 []",
        "  trust-file=ca.pem",
    ] {
        assert!(all.iter().any(|said| said == line), "{line}\n{}", all.join("\n"));
    }
    let own = all
        .iter()
        .filter(|line| line.starts_with("IKE 2 @10 {aes256gcm16"))
        .count();
    let esp = all
        .iter()
        .filter(|line| line.starts_with("IPSEC @5 {aes128gcm16"))
        .count();
    assert_eq!((own, esp), (2, 2), "{}", all.join("\n"));
    assert!(
        !all.iter().any(|line| line.starts_with("unread")),
        "{}",
        all.join("\n")
    );
    stands(&StrongSwan, "swanctl.conf", sample, &[b"hidden } hidden"]);
}

#[test]
fn templates_without_number_come_to_an_end() {
    let mut text = String::new();
    for at in 0..20 {
        let others: Vec<String> = (0..16).map(|other| format!("t{}", (at + other) % 20)).collect();
        text.push_str(&format!(
            "t{at} : {} {{ inner : t{at} {{ a = b }} }}\n",
            others.join(", ")
        ));
    }
    text.push_str("connections { x : t0 { version = 2 } }\n");
    let began = std::time::Instant::now();
    let all = outline(&StrongSwan, "swanctl.conf", &text);
    assert!(
        all.iter()
            .any(|line| line.starts_with("service IPsec connection x"))
    );
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn what_holds_too_is_followed_all_the_way() {
    let sample = "conn base\n\talso=crypto\n\talso=certs\nconn crypto\n\tike=aes256-sha2_512;dh19\n\t\
        also=base\nconn certs\n\tleftcert=moon\nconn net\n\talso=base\n\tright=10.0.0.1\n";
    let all = outline(&StrongSwan, "ipsec.conf", sample);
    let ike = all
        .iter()
        .filter(|line| line.starts_with("IKE @5 {aes256"))
        .count();
    let certificates = all
        .iter()
        .filter(|line| *line == "  certificate-file=moon")
        .count();
    assert_eq!((ike, certificates), (3, 4), "{}", all.join("\n"));
}

#[test]
fn secrets_after_any_colon_that_parts() {
    let sample = "10.0.0.1\t10.0.0.2\t:\tPSK\t\"hidden1\"\n@a @b :PSK \"hidden2: PIN hidden3\"\n\
        ::1 2001:db8::2: PSK \"hidden4\"\n: RSA {\n\tModulus: 0xcafe\n\t}\n\"a : b\" : EAP \"hidden5\"\n";
    let all = outline(&StrongSwan, "ipsec.secrets", sample);
    let kinds: Vec<&str> = all
        .iter()
        .map(String::as_str)
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(
        kinds,
        [
            "material IKE preshared key @1",
            "material IKE preshared key @2",
            "material IKE preshared key @3",
            "key RSA private key @4 Some(None)",
            "material login of a user @7",
            "service IPsec secrets @1 []",
        ]
    );
    stands(
        &StrongSwan,
        "ipsec.secrets",
        sample,
        &[b"hidden1", b"hidden2", b"hidden4", b"hidden5"],
    );
}

#[test]
fn a_section_that_is_opened_again_is_one() {
    let sample = "connections { c { version = 1 } }\nconnections { c { version = 2 } }\n";
    let all = outline(&StrongSwan, "swanctl.conf", sample);
    let services = all.iter().filter(|line| line.starts_with("service")).count();
    assert_eq!(services, 1, "{}", all.join("\n"));
    assert!(
        all.iter().any(|line| line.starts_with("IKE 2")),
        "{}",
        all.join("\n")
    );
}
