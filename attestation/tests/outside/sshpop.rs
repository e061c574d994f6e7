//! `sshpop`, with keys and certificates that OpenSSH made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use symbolon_attestation::sshpop::{
    Authority, CertificateError, DEFAULT_TEMPLATE, HostCertificate, HostKey, SshPopConfig, SshPopProver,
    SshPopVerifier, path_template,
};

use crate::*;

macro_rules! ssh {
    ($name:literal) => {
        include_str!(concat!("ssh/", $name))
    };
}

const HOSTS: [(&str, &str); 5] = [
    (ssh!("host_ed25519"), ssh!("host_ed25519-cert.pub")),
    (ssh!("host_ecdsa256"), ssh!("host_ecdsa256-cert.pub")),
    (ssh!("host_ecdsa384"), ssh!("host_ecdsa384-cert.pub")),
    (ssh!("host_ecdsa521"), ssh!("host_ecdsa521-cert.pub")),
    (ssh!("host_rsa"), ssh!("host_rsa-cert.pub")),
];

fn authorities() -> Vec<Authority> {
    let text = format!(
        "# hosts\n\n{}{}{}",
        ssh!("ca_ed25519.pub"),
        ssh!("ca_ecdsa.pub"),
        ssh!("ca_rsa.pub")
    );
    Authority::parse_all(&text).unwrap()
}

fn config() -> SshPopConfig {
    SshPopConfig {
        trust_domain: trust_domain(),
        authorities: authorities(),
        canonical_domain: None,
        template: path_template(DEFAULT_TEMPLATE).unwrap(),
    }
}

fn node((key, certificate): (&str, &str)) -> SshPopProver {
    let key = HostKey::from_pem(key.as_bytes()).unwrap();
    SshPopProver::new(HostCertificate::from_text(certificate).unwrap(), key).unwrap()
}

fn payload(certificate: &str) -> Vec<u8> {
    let encoded = certificate.split_whitespace().nth(1).unwrap();
    json!({ "Certificate": encoded }).to_string().into_bytes()
}

#[tokio::test]
async fn it_conforms_with_every_kind_of_key() {
    for host in HOSTS {
        Method::new(SshPopVerifier::new(config()), move || node(host))
            .conforms()
            .await;
    }
}

#[tokio::test]
async fn a_node_is_named_by_its_certificate() {
    let attested = attest(&SshPopVerifier::new(config()), &mut node(HOSTS[0]))
        .await
        .unwrap();
    let blob = STANDARD
        .decode(HOSTS[0].1.split_whitespace().nth(1).unwrap())
        .unwrap();
    let fingerprint =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(symbolon_crypto::digest::sha256(&blob));
    assert_eq!(
        attested.agent_id.path(),
        format!("/spire/agent/sshpop/{fingerprint}")
    );
    assert!(attested.can_reattest && attested.selectors.is_empty());
    // An Ed25519 authority's signature is written in one way.
    assert!(attested.siblings.is_empty());

    let template = "/sshpop/{{ .Hostname }}/{{ .Serial }}";
    let verifier = SshPopVerifier::new(SshPopConfig {
        canonical_domain: Some("example.com".to_owned()),
        template: path_template(template).unwrap(),
        ..config()
    });
    let attested = attest(&verifier, &mut node(HOSTS[0])).await.unwrap();
    assert_eq!(attested.agent_id.path(), "/spire/agent/sshpop/ed25519/7");
    let elsewhere = SshPopVerifier::new(SshPopConfig {
        canonical_domain: Some("xample.com".to_owned()),
        ..config()
    });
    let refused = refusal(&elsewhere, &payload(HOSTS[0].1)).await;
    assert!(refused.contains("not in xample.com"), "{refused}");
}

#[tokio::test]
async fn certificates_that_do_not_count_are_refused_by_the_rule_they_break() {
    let verifier = SshPopVerifier::new(config());
    for (certificate, words) in [
        (ssh!("user-cert.pub"), "no host's certificate"),
        (ssh!("nobody-cert.pub"), "names no principal"),
        (ssh!("critical-cert.pub"), "critical options"),
        (ssh!("by_rsa_sha1-cert.pub"), "SHA-1"),
        (ssh!("host_ed25519.pub"), "no SSH certificate"),
    ] {
        let refused = refusal(&verifier, &payload(certificate)).await;
        assert!(refused.contains(words), "{refused}");
    }
    let strangers = SshPopVerifier::new(SshPopConfig {
        authorities: Authority::parse_all(ssh!("ca_rsa.pub")).unwrap(),
        ..config()
    });
    let refused = refusal(&strangers, &payload(HOSTS[0].1)).await;
    assert!(refused.contains("no configured authority"), "{refused}");
}

#[test]
fn a_certificate_is_valid_from_its_begin_to_before_its_end() {
    let certificate = HostCertificate::from_text(ssh!("window-cert.pub")).unwrap();
    let at = |seconds: u64| {
        certificate.verify(
            &authorities(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        )
    };
    let (begin, end) = (1_798_761_600, 1_798_848_000);
    assert_eq!(at(begin - 1), Err(CertificateError::NotYet));
    assert_eq!(at(begin), Ok(()));
    assert_eq!(at(end - 1), Ok(()));
    assert_eq!(at(end), Err(CertificateError::Expired));
}

#[test]
fn every_bit_of_a_certificate_counts() {
    for text in [
        ssh!("host_ed25519-cert.pub"),
        ssh!("by_ecdsa-cert.pub"),
        ssh!("by_rsa-cert.pub"),
    ] {
        let blob = STANDARD.decode(text.split_whitespace().nth(1).unwrap()).unwrap();
        HostCertificate::parse(&blob)
            .unwrap()
            .verify(&authorities(), now())
            .unwrap();
        for place in 0..blob.len() {
            let mut changed = blob.clone();
            changed[place] ^= 1;
            let verified =
                HostCertificate::parse(&changed).and_then(|read| read.verify(&authorities(), now()));
            assert!(verified.is_err(), "byte {place} of {}", blob.len());
        }
        let mut longer = blob.clone();
        longer.push(0);
        assert!(HostCertificate::parse(&longer).is_err());
    }
}

#[tokio::test]
async fn a_certificate_signed_in_the_other_way_is_the_same_node() {
    let key = HostKey::from_pem(ssh!("host_ed25519").as_bytes()).unwrap();
    let certificate = HostCertificate::from_text(ssh!("by_ecdsa-cert.pub")).unwrap();
    let mut prover = SshPopProver::new(certificate, key).unwrap();
    let attested = attest(&SshPopVerifier::new(config()), &mut prover).await.unwrap();
    let [sibling] = attested.siblings.as_slice() else {
        panic!("{:?}", attested.siblings)
    };
    assert_ne!(*sibling, attested.agent_id);
}

/// OpenSSH's older form of the same key: what its newer one leaves out is put back right.
#[tokio::test]
async fn the_older_form_of_an_rsa_key_is_read_too() {
    let old = (ssh!("host_rsa_pkcs1"), ssh!("host_rsa-cert.pub"));
    let verifier = SshPopVerifier::new(config());
    let attested = attest(&verifier, &mut node(old)).await.unwrap();
    assert_eq!(attest(&verifier, &mut node(HOSTS[4])).await.unwrap(), attested);
}

#[test]
fn keys_and_certificates_go_together() {
    let key = HostKey::from_pem(HOSTS[1].0.as_bytes()).unwrap();
    assert!(!format!("{key:?}").contains("BEGIN"));
    let other = HostCertificate::from_text(HOSTS[2].1).unwrap();
    let error = SshPopProver::new(other, key).unwrap_err().to_string();
    assert!(error.contains("not the certificate's"), "{error}");
    for (text, words) in [
        ("", "no PEM block"),
        (ssh!("host_rsa-cert.pub"), "no PEM block"),
        (include_str!("aws/openssl.pem"), "no private key"),
    ] {
        let error = HostKey::from_pem(text.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn authorities_are_keys_alone() {
    let line = ssh!("ca_ed25519.pub").trim();
    let known = format!("@cert-authority *.example.com {line}");
    assert_eq!(Authority::parse(line).unwrap(), Authority::parse(&known).unwrap());
    for (line, words) in [
        ("", "not a key's type"),
        ("ssh-ed25519", "not a key's type"),
        ("ssh-ed25519 !!!", "no base64"),
        (&line.replacen("ssh-ed25519", "ssh-rsa", 1), "another type"),
        (ssh!("host_rsa-cert.pub"), "a certificate"),
        (
            "ssh-dss AAAAB3NzaC1kc3M=",
            "no key that certificates are verified with",
        ),
    ] {
        let error = Authority::parse(line).unwrap_err().to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
    assert!(
        Authority::parse_all("# nothing\n")
            .unwrap_err()
            .to_string()
            .contains("no key")
    );
    let second = format!("{line}\nrubbish");
    assert!(
        Authority::parse_all(&second)
            .unwrap_err()
            .to_string()
            .contains("line 2")
    );
}
