//! The bundle, as stock software and as ours sees it.

use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::Reader;
use symbolon_ca::views::BundleView;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::{Form, Suite};
use tonic::Code;

use crate::support::{TestServer, asking};

fn forms(bundle: &types::Bundle) -> Vec<Form> {
    let form = |authority: &types::X509Certificate| {
        let certificate = Certificate::from_der(&authority.asn1).unwrap();
        certificate.form().unwrap()
    };
    bundle.x509_authorities.iter().map(form).collect()
}

#[tokio::test]
async fn only_who_asks_for_forms_sees_them() {
    let server = TestServer::start().await;
    let mut client = BundleClient::new(server.anonymous().await);
    let stock = client
        .get_bundle(GetBundleRequest::default())
        .await
        .unwrap()
        .into_inner();
    // The catalyst authority is an ECDSA root with extensions that nobody has to know.
    assert_eq!(forms(&stock), [Form::Classical, Form::Catalyst]);
    for authority in &stock.x509_authorities {
        let certificate = Certificate::from_der(&authority.asn1).unwrap();
        assert_eq!(certificate.subject_key().unwrap().form(), Form::Classical);
        assert_eq!(
            certificate.signature_suite().map(Suite::form),
            Some(Form::Classical)
        );
        assert!(
            certificate
                .alternative()
                .is_none_or(|alternative| !alternative.is_critical())
        );
    }
    assert_eq!(
        (stock.trust_domain.as_str(), stock.jwt_authorities.len()),
        ("example.org", 1)
    );
    assert!(stock.refresh_hint > 0 && stock.sequence_number > 0);

    let all = client
        .get_bundle(asking(GetBundleRequest::default(), "composite,ml-dsa"))
        .await
        .unwrap()
        .into_inner();
    let every = [Form::Classical, Form::MlDsa, Form::Composite, Form::Catalyst];
    assert_eq!(forms(&all), every);
    assert_eq!(all.jwt_authorities, stock.jwt_authorities);
    assert_eq!(all.sequence_number, stock.sequence_number);
    let one = client
        .get_bundle(asking(GetBundleRequest::default(), "composite"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(forms(&one), [Form::Classical, Form::Composite, Form::Catalyst]);
    let pair = client
        .get_bundle(asking(GetBundleRequest::default(), "paired"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(forms(&pair), [Form::Classical, Form::MlDsa, Form::Catalyst]);

    for (wanted, words) in [("composite,rot13", "rot13"), ("Composite", "symbolon-forms")] {
        let status = client
            .get_bundle(asking(GetBundleRequest::default(), wanted))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{status}");
    }
}

#[tokio::test]
async fn a_mask_leaves_the_rest_out() {
    let server = TestServer::start().await;
    let mut client = BundleClient::new(server.anonymous().await);
    let mask = types::BundleMask {
        sequence_number: true,
        ..Default::default()
    };
    let bundle = client
        .get_bundle(GetBundleRequest {
            output_mask: Some(mask),
        })
        .await
        .unwrap()
        .into_inner();
    let sequence_number = bundle.sequence_number;
    let expected = types::Bundle {
        trust_domain: "example.org".to_owned(),
        sequence_number,
        ..Default::default()
    };
    assert_eq!(bundle, expected);
}

#[tokio::test]
async fn the_client_gets_the_whole_bundle() {
    let server = TestServer::start().await;
    let bundle = server.client.bundle().await.unwrap();
    assert_eq!(bundle, *server.server.authorities().bundle());
    let view = BundleView::of(&bundle, &[Form::Composite]);
    assert_eq!(view.x509_authorities.len(), 1);
    assert_eq!(
        view.x509_authorities[0].algorithm.as_deref(),
        Some("mldsa65-ecdsa-p256")
    );
    let json = serde_json::to_value(&view).unwrap();
    assert!(
        json["x509_authorities"][0]["not_after"]
            .as_str()
            .unwrap()
            .ends_with('Z'),
        "{json}"
    );
}
