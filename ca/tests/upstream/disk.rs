//! Roots in files, under whole servers.

use std::path::Path;
use std::sync::Arc;

use symbolon_api::spire::api::server::entry::v1::BatchCreateEntryRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::localauthority::v1 as api;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_api::spire::api::server::svid::v1 as svid_api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::config::{CatalystConfig, DiskUpstreamConfig, ServerConfig, UpstreamConfig};
use symbolon_ca::upstream::UpstreamName;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::Clock as _;
use symbolon_tls::SvidIdentity;
use tempfile::TempDir;
use tonic::Code;

use crate::root::{Root, file};
use crate::support::{Key, TestClock, TestServer, config, id, message};

fn name(name: &str) -> UpstreamName {
    name.parse().unwrap()
}

/// An upstream of the files that a root of this name was written to.
fn disk(dir: &Path, name: &str, is_catalyst: bool) -> UpstreamConfig {
    UpstreamConfig::Disk(DiskUpstreamConfig {
        certificate_file: file(dir, name, "pem"),
        key_file: file(dir, name, "key"),
        alternative_key_file: is_catalyst.then(|| file(dir, name, "alternative.key")),
        bundle_file: None,
    })
}

/// Puts the classical family below the root in `classical.*`.
fn below_classical(config: &mut ServerConfig, dir: &Path) {
    let root = disk(dir, "classical", false);
    config.upstreams.insert(name("classical"), root);
    config.families.classical.upstream = Some(name("classical"));
}

/// A server whose classical family is below a root of this suite.
pub(crate) async fn start_below(suite: Suite) -> (TestServer, Root) {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let root = Root::new(suite, clock.now());
    root.write(dir.path(), "classical");
    let mut config = config(dir.path());
    below_classical(&mut config, dir.path());
    (TestServer::on(dir, clock, config).await.unwrap(), root)
}

pub(crate) async fn mint(server: &TestServer, form: Form, path: &str) -> Vec<Vec<u8>> {
    let key = Key::new(form);
    let request = svid_api::MintX509svidRequest {
        csr: key.csr(Some(&id(path))),
        ttl: 0,
    };
    let request = match form {
        Form::Classical => tonic::Request::new(request),
        form => crate::support::asking(request, form.name()),
    };
    let answer = SvidClient::new(server.local().await).mint_x509svid(request).await;
    answer.unwrap().into_inner().svid.unwrap().cert_chain
}

#[tokio::test]
async fn every_family_may_stand_below_a_root_in_files() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let roots = [
        ("classical", Root::new(Suite::EcdsaP384, clock.now())),
        ("ml-dsa", Root::new(Suite::MlDsa87, clock.now())),
        ("composite", Root::new(Suite::MlDsa65EcdsaP256, clock.now())),
        ("catalyst", Root::catalyst(clock.now())),
    ];
    let mut config = config(dir.path());
    for (family, root) in &roots {
        root.write(dir.path(), family);
        let upstream = disk(dir.path(), family, *family == "catalyst");
        config.upstreams.insert(name(family), upstream);
    }
    config.families.classical.upstream = Some(name("classical"));
    config.families.ml_dsa.upstream = Some(name("ml-dsa"));
    config.families.composite.upstream = Some(name("composite"));
    config.families.catalyst = Some(CatalystConfig {
        upstream: Some(name("catalyst")),
        ..CatalystConfig::default()
    });
    let server = TestServer::on(dir, clock, config).await.unwrap();

    let bundle = server.server.authorities().bundle();
    let mut published: Vec<_> = bundle
        .x509_authorities
        .iter()
        .map(|it| it.id().to_string())
        .collect();
    let mut above: Vec<_> = roots.iter().map(|(_, root)| root.id()).collect();
    published.sort();
    above.sort();
    assert_eq!(
        published, above,
        "the roots are published, and nothing of this server's own"
    );

    for form in Form::OF_KEYS {
        let chain = mint(&server, form, "/billing").await;
        assert_eq!(chain.len(), 2, "the leaf, and the authority that no verifier has");
        let verified = server.verify(&chain);
        assert_eq!((verified.form, verified.spiffe_id), (form, id("/billing")));
        // Whoever talks to the server believes it by the roots alone, and the server believes agents.
        let mut agent = server.agent(form).await;
        agent.renew(&Key::new(form)).await.unwrap();
        agent.spiffe_id = id("/spire/agent/forgotten");
    }
    assert!(server.server.authorities().active(Family::Catalyst).is_some());

    let ids: Vec<_> = server.server.authorities().journal();
    let server = server.restart(|_| {}).await.unwrap();
    assert_eq!(server.server.authorities().journal(), ids, "a restart finds them");
    let chain = mint(&server, Form::Classical, "/billing").await;
    assert_eq!(server.verify(&chain).form, Form::Classical);
}

/// The SVID of a server below this one.
pub(crate) async fn downstream(server: &TestServer) -> Arc<SvidIdentity> {
    let entry = types::Entry {
        downstream: true,
        ..message("/nested", "/spire/agent/x/a")
    };
    let created = EntryClient::new(server.local().await)
        .batch_create_entry(BatchCreateEntryRequest {
            entries: vec![entry],
            output_mask: None,
        })
        .await
        .unwrap();
    assert_eq!(created.into_inner().results[0].status.as_ref().unwrap().code, 0);
    let key = Key::new(Form::Classical);
    let svid = svid_api::MintX509svidRequest {
        csr: key.csr(Some(&id("/nested"))),
        ttl: 0,
    };
    let svid = SvidClient::new(server.local().await)
        .mint_x509svid(svid)
        .await
        .unwrap();
    let svid = svid.into_inner().svid.unwrap().cert_chain;
    Arc::new(SvidIdentity::new(svid, key.signer).unwrap())
}

#[tokio::test]
async fn what_stands_below_this_server_gets_the_whole_chain() {
    let (server, root) = start_below(Suite::EcdsaP256).await;
    let identity = downstream(&server).await;
    let request = svid_api::NewDownstreamX509caRequest {
        csr: Key::new(Form::Classical).csr(None),
        preferred_ttl: 3600,
    };
    let answer = SvidClient::new(server.with_svid(&identity).await)
        .new_downstream_x509ca(request)
        .await
        .unwrap()
        .into_inner();
    let chain = answer.ca_cert_chain;
    assert!(answer.x509_authorities.contains(&root.certificate.der().to_vec()));
    assert_eq!(chain.len(), 2, "down to the root, which is not in it");
    let own = Certificate::from_der(&chain[1]).unwrap();
    assert_eq!(own.issuer_der(), root.certificate.subject_der());
}

#[tokio::test]
async fn a_root_is_replaced_then_tainted_then_revoked() {
    let (server, old) = start_below(Suite::EcdsaP256).await;
    let mut commands = LocalAuthorityClient::new(server.local().await);
    let state = |client: &LocalAuthorityClient<tonic::transport::Channel>| {
        let mut client = client.clone();
        async move {
            let state = client.get_x509_authority_state(api::GetX509AuthorityStateRequest {});
            state.await.unwrap().into_inner()
        }
    };
    let first = state(&commands).await.active.unwrap();
    assert_eq!(first.upstream_authority_subject_key_id, old.id());
    let before = mint(&server, Form::Classical, "/billing").await;

    let taint = |id: &str| api::TaintX509UpstreamAuthorityRequest {
        subject_key_id: id.to_owned(),
    };
    let revoke = |id: &str| api::RevokeX509UpstreamAuthorityRequest {
        subject_key_id: id.to_owned(),
    };
    let refused = commands.taint_x509_upstream_authority(taint(&old.id())).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::InvalidArgument,
        "it is above the one that signs"
    );
    assert!(refused.message().contains("active"), "{refused}");
    for unknown in ["", "00ff"] {
        let refused = commands.taint_x509_upstream_authority(taint(unknown)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }

    // The files are read anew: the next authority is below the new root, and both roots are published.
    let new = Root::new(Suite::EcdsaP384, server.clock.now());
    new.write(server.dir.path(), "classical");
    let prepared = commands
        .prepare_x509_authority(api::PrepareX509AuthorityRequest {})
        .await
        .unwrap()
        .into_inner()
        .prepared_authority
        .unwrap();
    assert_eq!(prepared.upstream_authority_subject_key_id, new.id());
    let activate = api::ActivateX509AuthorityRequest {
        authority_id: prepared.authority_id,
    };
    commands.activate_x509_authority(activate).await.unwrap();
    let after = mint(&server, Form::Classical, "/billing").await;
    for chain in [&before, &after] {
        assert_eq!(server.verify(chain).spiffe_id, id("/billing"));
    }

    let refused = commands
        .taint_x509_authority(api::TaintX509AuthorityRequest {
            authority_id: first.authority_id.clone(),
        })
        .await;
    assert_eq!(
        refused.unwrap_err().code(),
        Code::FailedPrecondition,
        "verifiers know it by the root above alone"
    );
    let refused = commands.revoke_x509_upstream_authority(revoke(&old.id())).await;
    assert!(refused.is_err(), "what is not tainted is not revoked");
    commands
        .taint_x509_upstream_authority(taint(&old.id().to_uppercase()))
        .await
        .unwrap();
    let bundle = server.server.authorities().bundle();
    let standing = |id: &str| {
        let found = bundle
            .x509_authorities
            .iter()
            .find(|it| it.id().to_string() == id);
        found.map(|it| it.tainted)
    };
    // The self-signed of the other families are in the bundle too.
    assert_eq!(
        (standing(&old.id()), standing(&new.id())),
        (Some(true), Some(false))
    );

    commands
        .revoke_x509_upstream_authority(revoke(&old.id()))
        .await
        .unwrap();
    let read = |chain: &[Vec<u8>]| -> Vec<_> {
        chain
            .iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect()
    };
    let verify = |chain: &[Vec<u8>]| {
        symbolon_pki::verify::verify_x509_svid(&read(chain), &server.bundles(), server.clock.now())
    };
    verify(&before).unwrap_err();
    verify(&after).unwrap();
    // Files that bring it back do not make it believed again.
    old.write(server.dir.path(), "classical");
    server.server.authorities().follow_upstreams().await;
    verify(&before).unwrap_err();
    let refused = commands
        .prepare_x509_authority(api::PrepareX509AuthorityRequest {})
        .await;
    let refused = refused.unwrap_err();
    assert!(refused.message().contains("tainted or revoked"), "{refused}");
    verify(&mint(&server, Form::Classical, "/billing").await).unwrap();
}

#[tokio::test]
async fn without_an_upstream_there_is_none_to_taint() {
    let server = TestServer::start().await;
    let mut commands = LocalAuthorityClient::new(server.local().await);
    let taint = api::TaintX509UpstreamAuthorityRequest {
        subject_key_id: "00ff".to_owned(),
    };
    let refused = commands.taint_x509_upstream_authority(taint).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.message(), "upstream authority is not configured");
}

#[tokio::test]
async fn a_server_whose_root_cannot_be_read_says_which_file() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let mut config = config(dir.path());
    below_classical(&mut config, dir.path());
    let told = |error: &dyn std::error::Error| {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    };
    let missing = file(dir.path(), "classical", "pem");
    let error = TestServer::on(dir, clock.clone(), config).await.err().unwrap();
    assert!(
        told(&error).contains(&missing.display().to_string()),
        "{}",
        told(&error)
    );

    let (dir, root) = (TempDir::new().unwrap(), Root::new(Suite::EcdsaP256, clock.now()));
    root.write(dir.path(), "classical");
    Root::new(Suite::EcdsaP256, clock.now()).write(dir.path(), "other");
    std::fs::copy(
        file(dir.path(), "other", "key"),
        file(dir.path(), "classical", "key"),
    )
    .unwrap();
    let mut config = crate::support::config(dir.path());
    below_classical(&mut config, dir.path());
    let error = TestServer::on(dir, clock, config).await.err().unwrap();
    assert!(
        told(&error).contains("the certificate and the key"),
        "{}",
        told(&error)
    );
}
