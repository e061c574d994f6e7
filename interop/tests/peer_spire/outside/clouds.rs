//! Virtual machines in clouds. Metadata services, key sets and regions' keys are stand-ins; SPIRE's server asks the clouds
//! themselves, so here are stock agents and ours on our server alone.

use std::net::SocketAddr;
use std::path::Path;

use openssl::pkcs7::{Pkcs7, Pkcs7Flags};
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::X509;
use serde_json::{Value, json};
use symbolon_interop::server::Server;
use symbolon_interop::spire::Evidence;

use super::service::{self, Told};
use super::{Case, assert_refused, jose, quoted, settings};
use crate::{nodes, shows};

const TEXT: &str = "text/plain";
/// What is said of a token that the published key did not sign.
const FORGED: &str = "the token's signature does not verify";

fn keys(method: &'static str, keys: String) -> Evidence {
    Evidence::Plugin {
        method,
        keys,
        proxy: None,
    }
}

/// Google's metadata server on a machine whose token this is.
fn google_metadata(token: String) -> SocketAddr {
    service::plain(move |asked| {
        let place = "/computeMetadata/v1/instance/service-accounts/default/identity?";
        let query = asked.path.strip_prefix(place).unwrap_or_default();
        let is_asked = |what: &str| query.split('&').any(|part| part == what);
        let is_whole = is_asked("audience=spire-gcp-node-attestor") && is_asked("format=full");
        match asked.field("metadata-flavor") == Some("Google") && is_whole {
            true => Told::new(200, TEXT, token.clone()).with("metadata-flavor", "Google"),
            false => Told::new(403, TEXT, ""),
        }
    })
}

fn google_claims(instance: &str) -> Value {
    let now = jose::now();
    json!({
        "iss": "https://accounts.google.com", "aud": "spire-gcp-node-attestor", "azp": "1089", "sub": "1089",
        "iat": now, "exp": now + 3600, "email": "agent@example-project.iam.gserviceaccount.com", "email_verified": true,
        "google": {"compute_engine": {
            "project_id": "example-project", "project_number": 739_419_398_126_u64, "zone": "europe-west1-b",
            "instance_id": instance, "instance_name": "vm-1", "instance_creation_timestamp": 1_551_132_245,
        }},
    })
}

/// A key set at a service of its own, and what a section says of that: the URL, and whom to believe there.
fn published(folder: &Path, keys: Value) -> String {
    let (address, ca) = service::secure(folder, move |asked| match asked.path.as_str() {
        "/keys" => Told::new(200, "application/json; charset=UTF-8", keys.to_string()),
        _ => Told::new(404, TEXT, ""),
    });
    format!(
        "keys_url = \"https://{address}/keys\"\nweb_ca_file = {}\n",
        quoted(&ca)
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_machine_of_googles_is_let_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let key = jose::rsa_key();
    let mut published_key = jose::jwk(&key, "k1");
    published_key["alg"] = json!("RS256");
    let keys_at = published(folder.path(), json!({"keys": [published_key]}));
    let section = format!("[attestors.gcp_iit]\nprojectid_allow_list = [\"example-project\"]\n{keys_at}");
    let server = Server::with(&settings(section)).unwrap();
    let case = |instance: &str| Case {
        method: "gcp_iit",
        path: format!("/spire/agent/gcp_iit/example-project/{instance}"),
        can_reattest: false,
        selectors: [
            "instance-name:vm-1",
            "project-id:example-project",
            "sa:agent@example-project.iam.gserviceaccount.com",
            "zone:europe-west1-b",
        ]
        .map(|selector| format!("gcp_iit:{selector}"))
        .into(),
    };
    let stock = |key: &PKey<Private>, instance: &str| {
        let host = google_metadata(jose::token(key, "k1", &google_claims(instance)));
        keys("gcp_iit", format!("            identity_token_host = \"{host}\""))
    };
    assert_refused(&server, "forged", &stock(&jose::rsa_key(), "1"), FORGED);
    case("1").stock_on_ours(&server, "stock", &stock(&key, "1")).await;
    shows("agent/gcp_iit");

    let host = google_metadata(jose::token(&key, "k1", &google_claims("2")));
    let own = format!("[attestor.gcp_iit]\nidentity_token_host = \"{host}\"\n");
    case("2").own_on_ours(&server, "own", &own).await;
}

/// A region of Amazon's: its key, and the certificate for it.
struct Region {
    key: PKey<Private>,
    certificate: X509,
}

impl Region {
    fn new() -> Self {
        let (key, root) = (jose::rsa_key(), nodes::root("Amazon"));
        let certificate = nodes::leaf("eu-test-1", 11, &key, &root, |_| ());
        Self { key, certificate }
    }

    /// The metadata service of a machine, which wants a session first.
    fn metadata(&self, instance: &str) -> SocketAddr {
        let document = json!({
            "accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-test-1a",
            "billingProducts": null, "devpayProductCodes": null, "imageId": "ami-5fb8c835", "instanceId": instance,
            "instanceType": "t2.micro", "kernelId": null, "marketplaceProductCodes": null,
            "pendingTime": "2016-11-19T16:32:11Z", "privateIp": "10.158.112.84", "ramdiskId": null,
            "region": "eu-test-1", "version": "2017-09-30",
        });
        let document = serde_json::to_string_pretty(&document).unwrap();
        let flags = Pkcs7Flags::BINARY | Pkcs7Flags::NOCERTS;
        let others = Stack::new().unwrap();
        let signed = Pkcs7::sign(&self.certificate, &self.key, &others, document.as_bytes(), flags).unwrap();
        let signature = openssl::base64::encode_block(&signed.to_der().unwrap());
        let lines: Vec<&str> = signature
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let signature = lines.join("\n");
        service::plain(move |asked| {
            let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
            if (asked.verb.as_str(), asked.path.as_str()) == ("PUT", "/latest/api/token") {
                let seconds = asked.field(ttl).unwrap_or("60");
                return Told::new(200, TEXT, "session").with(ttl, seconds);
            }
            if asked.field("x-aws-ec2-metadata-token") != Some("session") {
                return Told::new(401, TEXT, "");
            }
            match asked.path.strip_prefix("/latest/dynamic/instance-identity/") {
                Some("document") => Told::new(200, TEXT, document.clone()),
                Some("rsa2048") => Told::new(200, TEXT, signature.clone()),
                Some("signature") => Told::new(200, TEXT, "b2xk"),
                _ => Told::new(404, TEXT, ""),
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_machine_of_amazons_is_let_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let region = Region::new();
    let certificate = nodes::write(&folder.path().join("region.pem"), &region.certificate);
    let section = format!(
        "[attestors.aws_iid]\naccount_ids_for_local_validation = [\"123456789012\"]\n[attestors.aws_iid.certificates]\n\
         eu-test-1 = {}\n",
        quoted(&certificate)
    );
    let server = Server::with(&settings(section)).unwrap();
    let case = |instance: &str| Case {
        method: "aws_iid",
        path: format!("/spire/agent/aws_iid/123456789012/eu-test-1/{instance}"),
        can_reattest: false,
        selectors: [
            "account_id:123456789012".to_owned(),
            "az:eu-test-1a".to_owned(),
            "image:id:ami-5fb8c835".to_owned(),
            format!("instance:id:{instance}"),
            "region:eu-test-1".to_owned(),
        ]
        .map(|selector| format!("aws_iid:{selector}"))
        .into(),
    };
    let stock = |region: &Region, instance: &str| {
        let service = region.metadata(instance);
        keys(
            "aws_iid",
            format!("            ec2_metadata_endpoint = \"http://{service}\""),
        )
    };
    let forged = stock(&Region::new(), "i-0a");
    let words = "the document's signature is not accepted";
    assert_refused(&server, "forged", &forged, words);
    case("i-0a")
        .stock_on_ours(&server, "stock", &stock(&region, "i-0a"))
        .await;
    shows("agent/aws_iid");

    let own = format!(
        "[attestor.aws_iid]\nec2_metadata_endpoint = \"http://{}\"\n",
        region.metadata("i-0b")
    );
    case("i-0b").own_on_ours(&server, "own", &own).await;
}

const TENANT: &str = "6d7f2e1a-0000-4000-8000-000000000001";
const SUBSCRIPTION: &str = "9b1deb4d-0000-4000-8000-000000000002";

/// Azure's metadata service on the machine that this principal is the identity of. Stock agents ask it at its own address and
/// at no other, so to them it is a proxy.
fn azure_metadata(key: &PKey<Private>, principal: &str) -> SocketAddr {
    let now = jose::now();
    let claims = json!({
        "aud": "https://management.azure.com/", "iss": format!("https://sts.windows.net/{TENANT}/"), "iat": now,
        "nbf": now, "exp": now + 86400, "oid": principal, "sub": principal, "tid": TENANT, "ver": "1.0",
        "xms_mirid": format!(
            "/subscriptions/{SUBSCRIPTION}/resourcegroups/group/providers/Microsoft.Compute/virtualMachines/vm-1"
        ),
    });
    let token = jose::token(key, "k1", &claims);
    service::plain(move |asked| {
        let place = "/metadata/identity/oauth2/token?";
        let path = asked.path.strip_prefix("http://169.254.169.254");
        let query = path.unwrap_or(&asked.path).strip_prefix(place);
        let query = query.unwrap_or_default();
        let resource = "resource=https%3A%2F%2Fmanagement.azure.com%2F";
        let is_asked = query.split('&').any(|part| part.eq_ignore_ascii_case(resource));
        match asked.field("metadata") == Some("true") && is_asked {
            true => {
                let answer = json!({"access_token": token, "expires_in": "86399", "token_type": "Bearer"});
                Told::new(200, "application/json", answer.to_string())
            }
            false => Told::new(400, TEXT, ""),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_machine_of_azures_is_let_in_once() {
    let folder = tempfile::tempdir().unwrap();
    let key = jose::rsa_key();
    let certificate = nodes::leaf("accounts.accesscontrol", 3, &key, &nodes::root("Azure"), |_| ());
    let mut published_key = jose::jwk(&key, "k1");
    published_key["x5t"] = json!("k1");
    published_key["x5c"] = json!([openssl::base64::encode_block(&certificate.to_der().unwrap())]);
    published_key["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
    let keys_at = published(folder.path(), json!({"keys": [published_key]}));
    let section = format!(
        "[attestors.azure_msi]\n{keys_at}[attestors.azure_msi.tenants.{TENANT}]\nsubscriptions = [\"{SUBSCRIPTION}\"]\n"
    );
    let server = Server::with(&settings(section)).unwrap();
    let case = |principal: &str| Case {
        method: "azure_msi",
        path: format!("/spire/agent/azure_msi/{TENANT}/{principal}"),
        can_reattest: false,
        selectors: vec![
            format!("azure_msi:subscription-id:{SUBSCRIPTION}"),
            "azure_msi:vm-name:group:vm-1".to_owned(),
        ],
    };
    let stock = |key: &PKey<Private>, principal: &str| Evidence::Plugin {
        method: "azure_msi",
        keys: String::new(),
        proxy: Some(azure_metadata(key, principal)),
    };
    assert_refused(&server, "forged", &stock(&jose::rsa_key(), "p-1"), FORGED);
    case("p-1")
        .stock_on_ours(&server, "stock", &stock(&key, "p-1"))
        .await;
    shows("agent/azure_msi");

    let service = azure_metadata(&key, "p-2");
    let own = format!("[attestor.azure_msi]\nmetadata_endpoint = \"http://{service}\"\n");
    case("p-2").own_on_ours(&server, "own", &own).await;
}
