//! Issuing over the wire.

use symbolon_api::spire::api::server::entry::v1::BatchCreateEntryRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntrySpec, Reader};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock;
use tonic::Code;

use crate::support::{Key, TestServer, asking, foreign_request, id, message};

fn params(entry_id: &str, csr: Vec<u8>, form: &str) -> api::NewX509svidParams {
    api::NewX509svidParams {
        entry_id: entry_id.to_owned(),
        csr,
        form: form.to_owned(),
    }
}

fn codes(results: &[api::batch_new_x509svid_response::Result]) -> Vec<Code> {
    results
        .iter()
        .map(|result| result.status.as_ref().unwrap().code.into())
        .collect()
}

#[tokio::test]
async fn one_entry_gives_an_svid_in_every_form() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let mut spec = EntrySpec::new(
        id("/web"),
        agent.spiffe_id.clone(),
        vec!["unix:uid:1".parse().unwrap()],
    );
    spec.hint = "internal".to_owned();
    spec.dns_names = vec!["web.example.org".to_owned()];
    spec.x509_svid_ttl = Some(std::time::Duration::from_secs(120));
    let entry = server.client.create_entry(&spec).await.unwrap().id;
    let asks = Form::OF_KEYS
        .map(|form| params(&entry, Key::new(form).csr(None), form.name()))
        .to_vec();
    let mut client = SvidClient::new(agent.channel.clone());
    let request = asking(
        api::BatchNewX509svidRequest { params: asks },
        "classical,ml-dsa,composite",
    );
    let results = client
        .batch_new_x509svid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(codes(&results), [Code::Ok; 3]);
    for (form, result) in Form::OF_KEYS.into_iter().zip(&results) {
        let svid = result.svid.as_ref().unwrap();
        let verified = server.verify(&svid.cert_chain);
        assert_eq!((verified.form, verified.spiffe_id), (form, id("/web")));
        assert_eq!(
            (svid.form.as_str(), svid.hint.as_str()),
            (form.name(), "internal")
        );
        let leaf = Certificate::from_der(&svid.cert_chain[0]).unwrap();
        assert_eq!(leaf.dns_sans(), ["web.example.org"]);
        assert_eq!(svid.cert_chain.len(), 1, "the root is not sent");
        let recorded = server.client.certificate(&leaf.serial_hex()).await.unwrap();
        assert_eq!(recorded.der.as_deref(), Some(leaf.der()));
        assert_eq!(
            (recorded.entry_id.as_deref(), recorded.profile.as_str()),
            (Some(entry.as_str()), "workload")
        );
        let life = leaf
            .not_after()
            .duration_since(server.clock.now())
            .unwrap()
            .as_secs();
        assert!((118..=120).contains(&life), "{life}");
    }
    // A stock agent asks without metadata and is told of no form.
    let stock = api::BatchNewX509svidRequest {
        params: vec![params(&entry, Key::new(Form::Classical).csr(None), "")],
    };
    let results = client
        .batch_new_x509svid(stock)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(results[0].svid.as_ref().unwrap().form, "");
}

#[tokio::test]
async fn results_stand_in_order_and_name_what_was_wrong() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Composite).await;
    let entry = server.entry(&agent, "/web").await;
    let other = server.agent(Form::Classical).await;
    let foreign = server.entry(&other, "/foreign").await;
    let composite = Key::new(Form::Composite).csr(None);
    let broken = |from_end: usize| {
        let mut csr = composite.clone();
        let position = csr.len() - from_end;
        csr[position] ^= 1;
        csr
    };
    let good = || Key::new(Form::Classical).csr(None);
    let before = server.certificate_count().await;
    let cases = [
        (params(&entry, good(), ""), Code::Ok, ""),
        (
            params("", good(), ""),
            Code::InvalidArgument,
            "entry_id is missing",
        ),
        (params(&foreign, good(), ""), Code::NotFound, "entry_id"),
        (params("nobody's", good(), ""), Code::NotFound, "entry_id"),
        (
            params(&entry, vec![], ""),
            Code::InvalidArgument,
            "csr is missing",
        ),
        (params(&entry, composite.clone(), ""), Code::Ok, ""),
        (
            params(&entry, broken(1), ""),
            Code::InvalidArgument,
            "classical half",
        ),
        (
            params(&entry, broken(400), "composite"),
            Code::InvalidArgument,
            "post-quantum half",
        ),
        (
            params(&entry, composite.clone(), "classical"),
            Code::InvalidArgument,
            "form is classical",
        ),
        (params(&entry, good(), "rot13"), Code::InvalidArgument, "rot13"),
        (
            params(&entry, composite[..100].to_vec(), ""),
            Code::InvalidArgument,
            "csr: ",
        ),
        (params(&entry, good(), "classical"), Code::Ok, ""),
    ];
    let request = api::BatchNewX509svidRequest {
        params: cases.iter().map(|case| case.0.clone()).collect(),
    };
    let mut client = SvidClient::new(agent.channel.clone());
    let unasked = client
        .batch_new_x509svid(request.clone())
        .await
        .unwrap()
        .into_inner()
        .results;
    let svids = unasked.iter().filter_map(|result| result.svid.as_ref());
    assert!(
        svids
            .clone()
            .all(|svid| server.verify(&svid.cert_chain).form == Form::Classical),
        "who asks for no form gets nothing post-quantum"
    );
    assert_eq!(server.certificate_count().await, before + 2);
    let before = before + 2;
    let results = client
        .batch_new_x509svid(asking(request, "ml-dsa,composite"))
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(
        codes(&results),
        cases.iter().map(|case| case.1).collect::<Vec<_>>()
    );
    for ((_, code, words), result) in cases.iter().zip(&results) {
        let message = &result.status.as_ref().unwrap().message;
        assert!(*code == Code::Ok || message.contains(words), "{words}: {message}");
        assert_eq!(result.svid.is_some(), *code == Code::Ok);
    }
    let forms: Vec<_> = results
        .iter()
        .filter_map(|r| r.svid.as_ref())
        .map(|svid| server.verify(&svid.cert_chain).form)
        .collect();
    assert_eq!(forms, [Form::Classical, Form::Composite, Form::Classical]);
    assert_eq!(server.certificate_count().await, before + 3);

    for (count, words) in [(0, "params is missing"), (501, "501")] {
        let request = api::BatchNewX509svidRequest {
            params: vec![params(&entry, vec![], ""); count],
        };
        let status = client.batch_new_x509svid(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{status}");
    }
    let request = asking(
        api::BatchNewX509svidRequest {
            params: vec![cases[0].0.clone()],
        },
        "rot13",
    );
    let status = client.batch_new_x509svid(request).await.unwrap_err();
    assert!(
        status.code() == Code::InvalidArgument && status.message().contains("rot13"),
        "{status}"
    );
}

#[tokio::test]
async fn a_full_reply_refuses_the_rest_and_issues_nothing_for_it() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let mut spec = EntrySpec::new(
        id("/web"),
        agent.spiffe_id.clone(),
        vec!["unix:uid:1".parse().unwrap()],
    );
    spec.dns_names = (0..120)
        .map(|n| format!("{n:03}.{0}.{0}.example", "a".repeat(60)))
        .collect();
    let entry = server.client.create_entry(&spec).await.unwrap().id;
    let csr = Key::new(Form::Classical).csr(None);
    let before = server.certificate_count().await;
    let request = api::BatchNewX509svidRequest {
        params: vec![params(&entry, csr, ""); 500],
    };
    let results = SvidClient::new(agent.channel.clone())
        .batch_new_x509svid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let codes = codes(&results);
    let issued = codes.iter().take_while(|code| **code == Code::Ok).count();
    assert!((100..500).contains(&issued), "{issued}");
    assert!(
        codes[issued..]
            .iter()
            .all(|code| *code == Code::ResourceExhausted)
    );
    assert_eq!(server.certificate_count().await, before + issued);
}

#[tokio::test]
async fn tokens_are_minted_for_entries_and_for_operators() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let mut client = SvidClient::new(agent.channel.clone());
    let audience = vec!["db".to_owned()];
    let request = api::NewJwtsvidRequest {
        entry_id: entry.clone(),
        audience: audience.clone(),
    };
    let svid = client
        .new_jwtsvid(request)
        .await
        .unwrap()
        .into_inner()
        .svid
        .unwrap();
    let verified = verify_jwt_svid(&svid.token, "db", &server.bundles(), server.clock.now()).unwrap();
    assert_eq!(verified.spiffe_id, id("/web"));
    assert_eq!(svid.expires_at - svid.issued_at, 300);

    for (entry_id, audience, code, words) in [
        ("", audience.clone(), Code::InvalidArgument, "entry_id"),
        ("nobody's", audience.clone(), Code::NotFound, "entry_id"),
        (&entry, vec![], Code::InvalidArgument, "audience"),
        (&entry, vec![String::new()], Code::InvalidArgument, "audience"),
        (
            &entry,
            vec!["x".repeat(100_000)],
            Code::InvalidArgument,
            "audience",
        ),
    ] {
        let request = api::NewJwtsvidRequest {
            entry_id: entry_id.to_owned(),
            audience,
        };
        let status = client.new_jwtsvid(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(words), "{status}");
    }

    let mut client = SvidClient::new(server.local().await);
    let wire = |path: &str| Some(types::Spiffeid::from(&id(path)));
    let request = api::MintJwtsvidRequest {
        id: wire("/minted"),
        audience: audience.clone(),
        ttl: 30,
    };
    let svid = client
        .mint_jwtsvid(request)
        .await
        .unwrap()
        .into_inner()
        .svid
        .unwrap();
    assert_eq!(svid.expires_at - svid.issued_at, 30);
    let request = api::MintJwtsvidRequest {
        id: None,
        audience: audience.clone(),
        ttl: 0,
    };
    assert_eq!(
        client.mint_jwtsvid(request).await.unwrap_err().message(),
        "id is missing"
    );
    let status = client
        .mint_witsvid(api::MintWitsvidRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn keys_of_stock_clients_are_certified_and_weak_or_unknown_ones_are_not() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let cases = [
        ("rsa2048-sha256", Code::Ok, ""),
        ("rsa4096-pss-sha512", Code::Ok, ""),
        ("p384-sha384", Code::Ok, ""),
        ("refused-rsa1024", Code::InvalidArgument, "1024"),
        ("refused-p521", Code::InvalidArgument, "csr: "),
        ("refused-sha1", Code::InvalidArgument, "csr: "),
    ];
    let params = cases
        .map(|(name, _, _)| params(&entry, foreign_request(name), ""))
        .to_vec();
    let request = api::BatchNewX509svidRequest { params };
    let results = SvidClient::new(agent.channel.clone())
        .batch_new_x509svid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(codes(&results), cases.map(|(_, code, _)| code));
    for ((name, code, words), result) in cases.iter().zip(&results) {
        let message = &result.status.as_ref().unwrap().message;
        assert!(*code == Code::Ok || message.contains(words), "{name}: {message}");
        if let Some(svid) = &result.svid {
            assert_eq!(server.verify(&svid.cert_chain).form, Form::Classical);
        }
    }
}

#[tokio::test]
async fn tokens_have_an_id_of_their_own_where_the_entry_says_so() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = |path: &str, jwt_svid_include_jti| types::Entry {
        additional_attributes: Some(types::entry::AdditionalAttributes {
            jwt_svid_include_jti,
            ..Default::default()
        }),
        ..message(path, agent.spiffe_id.path())
    };
    let request = BatchCreateEntryRequest {
        entries: vec![entry("/with", true), entry("/without", false)],
        output_mask: None,
    };
    let mut entries = EntryClient::new(server.local().await);
    let created = entries.batch_create_entry(request).await.unwrap().into_inner();
    let mut client = SvidClient::new(agent.channel.clone());
    let mut ids = Vec::new();
    for result in created.results {
        for _ in 0..2 {
            let request = api::NewJwtsvidRequest {
                entry_id: result.entry.as_ref().unwrap().id.clone(),
                audience: vec!["db".to_owned()],
            };
            let answer = client.new_jwtsvid(request).await.unwrap().into_inner();
            let token = answer.svid.unwrap().token;
            let svid = verify_jwt_svid(&token, "db", &server.bundles(), server.clock.now()).unwrap();
            ids.push(svid.claims.get("jti").cloned());
        }
    }
    assert!(
        ids[0].is_some() && ids[1].is_some() && ids[0] != ids[1],
        "{ids:?}"
    );
    assert_eq!(ids[2..], [None, None], "as of stock servers");
}
