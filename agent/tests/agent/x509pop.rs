//! An agent that attests by a certificate, and does so again whenever its SVID is to be renewed.

use std::path::Path;
use std::time::Duration;

use symbolon_agent::AgentConfig;
use symbolon_agent::config::X509PopSection;
use symbolon_ca::config::{ServerConfig, X509PopMode, X509PopSection as ServerSection};
use symbolon_host::duration::HumanDuration;
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock;

use crate::support::{Site, domain, id, private_file, status_of};

/// Half of an agent's life here, and what renewal may come later than that: short, because the server's own SVID does not
/// outlive an hour of the time that stands still for it.
const HALF: Duration = Duration::from_secs(600);
const LATER: Duration = Duration::from_secs(61);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A PKI of one authority, and a node under it: `ca.pem`, `rack.pem` and `rack.key` in the directory.
fn write_pki(dir: &Path, suite: Suite) -> Certificate {
    let now = std::time::SystemTime::now() - DAY;
    let serial = || Serial::random(symbolon_crypto::random::fill).unwrap();
    let (above, key) = (
        PrivateKey::generate(suite).unwrap(),
        PrivateKey::generate(suite).unwrap(),
    );
    let keys = above.signer().unwrap();
    let spec = AuthoritySpec {
        trust_domain: &domain(),
        ttl: 30 * DAY,
        path_len: None,
    };
    let read = |der: &[u8]| Certificate::from_der(der).unwrap();
    let root = prepare_authority(&spec, &keys, serial(), now)
        .and_then(|linted| linted.sign(&keys))
        .unwrap();
    let root = Authority::new(read(root.der()), keys).unwrap();
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &id("/rack/7"),
        key: &SubjectKey::Suite(key.public_key().unwrap()),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: 20 * DAY,
        serial: serial(),
        now,
    };
    let leaf = prepare_svid(&root, &request)
        .and_then(|linted| linted.sign(&root))
        .unwrap();
    let leaf = read(leaf.der());
    std::fs::write(dir.join("ca.pem"), pem::encode_certificates([root.certificate()])).unwrap();
    std::fs::write(dir.join("rack.pem"), pem::encode_certificates([&leaf])).unwrap();
    private_file(&dir.join("rack.key"), &pem::encode_private_key(&key).unwrap());
    leaf
}

fn lets_in(dir: &Path, config: &mut ServerConfig) {
    config.lifetimes.agent = HumanDuration(2 * HALF);
    config.attestors.x509pop = Some(ServerSection {
        mode: X509PopMode::ExternalPki,
        ca_bundles: vec![dir.join("ca.pem")],
        ..ServerSection::default()
    });
}

fn agent_config(site: &Site) -> AgentConfig {
    let mut config = site.agent_config();
    config.attestor.join_token_file = None;
    config.attestor.x509pop = Some(X509PopSection {
        certificate: site.dir.path().join("rack.pem"),
        private_key: site.dir.path().join("rack.key"),
        intermediates: None,
    });
    config
}

#[tokio::test]
async fn it_attests_and_does_so_again_at_half_life() {
    let mut leaf = None;
    let site = Site::start_with(|dir, config| {
        leaf = Some(write_pki(dir, Suite::MlDsa65EcdsaP256));
        lets_in(dir, config);
    })
    .await;
    let sha1 = hex::encode(symbolon_crypto::digest::sha1_for_names(leaf.unwrap().der()));
    let agent = site.agent_with(agent_config(&site)).await;
    let first = agent.status();
    assert_eq!(first.spiffe_id, Some(id(&format!("/spire/agent/x509pop/{sha1}"))));

    site.time.advance(HALF + LATER);
    let renewed = status_of(&agent, |status| status.not_after > first.not_after);
    let renewed = site.time.pass(Duration::from_secs(5), renewed).await;
    assert_eq!(renewed.spiffe_id, first.spiffe_id);

    // Without its key it goes on with what it has.
    std::fs::remove_file(site.dir.path().join("rack.key")).unwrap();
    site.time.advance(HALF + LATER);
    site.sync(&agent).await;
    assert_eq!(agent.status().not_after, renewed.not_after);
    assert!(agent.status().not_after > Some(site.time.now()));
}

#[tokio::test]
async fn another_pkis_node_is_denied_and_told_why() {
    let site = Site::start_with(|dir, config| {
        write_pki(dir, Suite::EcdsaP256);
        lets_in(dir, config);
    })
    .await;
    write_pki(site.dir.path(), Suite::EcdsaP256);
    let agent = site.try_agent(agent_config(&site)).await.unwrap();
    let error = agent.stopped().await.unwrap();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&*error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(text.contains("the certificate is not accepted"), "{text}");
    let agents = symbolon_ca::client::Reader::agents(site.client()).await.unwrap();
    assert!(agents.is_empty(), "{agents:?}");
}
