//! What is in the file, and what is wrong with it.

use super::*;

fn parse(text: &str) -> Result<AttestorsConfig, String> {
    let config: AttestorsConfig = toml::from_str(text).map_err(|error| error.to_string())?;
    config
        .check()
        .map(|()| config)
        .map_err(|problem| problem.to_string())
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    #[derive(Deserialize)]
    struct File {
        attestors: AttestorsConfig,
    }
    let documented: File = toml::from_str(include_str!("../attestors.toml")).unwrap();
    documented.attestors.check().unwrap();
    let mut x509pop = documented.attestors.x509pop.unwrap();
    assert_eq!(
        x509pop.agent_path_template.take().unwrap(),
        x509pop::DEFAULT_TEMPLATE
    );
    assert_eq!(x509pop.ca_bundles.len(), 1);
    x509pop.ca_bundles.clear();
    assert_eq!(x509pop, X509PopSection::default());
    assert_eq!(
        documented.attestors.join_token,
        AttestorsConfig::default().join_token
    );
    assert_eq!(parse("").unwrap(), AttestorsConfig::default());
}

#[test]
fn each_mistake_is_named() {
    let hash = "0".repeat(63);
    for (text, words) in [
        ("join_token = false", "`attestors.join_token`"),
        ("[sshpip]", "sshpip"),
        ("[x509pop]", "`attestors.x509pop.ca_bundles`"),
        ("[x509pop]\nmode = \"other\"", "external_pki"),
        (
            "[x509pop]\nmode = \"spiffe\"\nca_bundles = [\"/a\"]",
            "`attestors.x509pop.ca_bundles`",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nagent_path_template = \"/a\"",
            "must begin with /x509pop/",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nmax_intermediates = 0",
            "max_intermediates` is 0",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nmax_intermediates = 8",
            "max_intermediates` is 8",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nmax_rsa_key_size = 8192",
            "max_rsa_key_size` is 8192",
        ),
        ("[x509pop]\nmode = \"spiffe\"\npolicy = \"any\"", "policy"),
        (
            "[x509pop]\nmode = \"spiffe\"\nsvid_prefix = \"\"",
            "`attestors.x509pop.svid_prefix`",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nsvid_prefix = \"/\"",
            "`attestors.x509pop.svid_prefix`",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nsvid_prefix = \"//\"",
            "`attestors.x509pop.svid_prefix`",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nsvid_prefix = \"/spire\"",
            "`attestors.x509pop.svid_prefix`",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nsvid_prefix = \"/spire/agent/\"",
            "`attestors.x509pop.svid_prefix`",
        ),
        (
            "[x509pop]\nmode = \"spiffe\"\nsvid_prefix = \"spire-exchange\"",
            "`attestors.x509pop.svid_prefix`",
        ),
        ("[tpm]", "lets nobody in"),
        (&format!("[tpm]\nallowed = [\"{hash}\"]"), "64 hex digits"),
        (
            "[tpm]\nendorsement_cas = [\"/a\"]\npcrs = {\"sha1:7\" = []}",
            "names no PCR",
        ),
        ("[tpm_devid]", "`attestors.tpm_devid.devid_cas`"),
        (
            "[tpm_devid]\ndevid_cas = [\"/a\"]",
            "`attestors.tpm_devid.endorsement_cas`",
        ),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn files_that_are_no_authorities_are_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("ca.pem");
    let refusal = || authorities("attestors.x509pop.ca_bundles", std::slice::from_ref(&path)).unwrap_err();
    assert!(refusal().to_string().contains("ca.pem"));
    for content in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&path, content).unwrap();
        let error = refusal().to_string();
        assert!(
            error.contains("`attestors.x509pop.ca_bundles`: ") && error.contains("ca.pem"),
            "{error}"
        );
    }
}

#[test]
fn the_documented_defaults_of_methods_outside_are_the_defaults() {
    #[derive(Deserialize)]
    struct File {
        attestors: AttestorsConfig,
    }
    let read = |text| {
        let file: File = toml::from_str(text).unwrap();
        file.attestors.check().unwrap();
        file.attestors
    };
    let named = read(include_str!("named.toml"));
    assert_eq!(named.http_challenge.unwrap(), HttpChallengeSection::default());
    let mut sshpop = named.sshpop.unwrap();
    assert_eq!(
        sshpop.agent_path_template.take().unwrap(),
        symbolon_attestation::sshpop::DEFAULT_TEMPLATE
    );
    assert!(sshpop.cert_authorities_path.take().is_some());
    assert_eq!(sshpop, SshPopSection::default());

    let clusters = read(include_str!("cluster.toml")).k8s_psat.unwrap().clusters;
    let mut cluster = clusters["example"].clone();
    assert_eq!(cluster.service_account_allow_list.len(), 1);
    cluster.service_account_allow_list.clear();
    assert_eq!(cluster, ClusterSection::default());

    let cloud = read(include_str!("cloud.toml"));
    let mut gcp = cloud.gcp_iit.unwrap();
    gcp.projectid_allow_list.clear();
    let template = gcp.agent_path_template.take().unwrap();
    assert_eq!(template, symbolon_attestation::gcp_iit::DEFAULT_TEMPLATE);
    assert_eq!(gcp, GcpIitSection::default());
    let mut azure = cloud.azure_msi.unwrap();
    let template = azure.agent_path_template.take().unwrap();
    assert_eq!(template, symbolon_attestation::azure_msi::DEFAULT_TEMPLATE);
    let tenants = std::mem::take(&mut azure.tenants);
    assert!(tenants.values().eq([&TenantSection::default()]));
    assert_eq!(azure, AzureMsiSection::default());
    let aws = cloud.aws_iid.unwrap();
    assert_eq!(
        aws.agent_path_template.unwrap(),
        symbolon_attestation::aws_iid::DEFAULT_TEMPLATE
    );
}

#[test]
fn each_mistake_of_methods_outside_is_named() {
    let cluster = "[k8s_psat.clusters.c]\nservice_account_allow_list = [\"a:b\"]\n";
    let aws = "[aws_iid]\naccount_ids_for_local_validation = [\"123456789012\"]\n";
    for (text, words) in [
        (
            "[http_challenge]\ntofu = false".to_owned(),
            "`attestors.http_challenge.tofu` can be false only",
        ),
        (
            "[http_challenge]\ntofu = false\nrequired_port = 1024\nallow_non_root_ports = false".to_owned(),
            "`attestors.http_challenge.tofu` can be false only",
        ),
        ("[http_challenge]\nrequired_port = 0".to_owned(), "no port"),
        (
            "[http_challenge]\nrequired_port = 70000".to_owned(),
            "required_port",
        ),
        (
            "[http_challenge]\nallowed_dns_patterns = [\"[\"]".to_owned(),
            "`attestors.http_challenge.allowed_dns_patterns`",
        ),
        (
            "[http_challenge]\nallowed_networks = [\"10.0.0.1/8\"]".to_owned(),
            "`attestors.http_challenge.allowed_networks`",
        ),
        ("[sshpop]".to_owned(), "`attestors.sshpop` lets nobody in"),
        (
            "[sshpop]\ncert_authorities = [\"ssh-ed25519 AAAA\"]".to_owned(),
            "`attestors.sshpop.cert_authorities`",
        ),
        (
            "[sshpop]\ncert_authorities_path = \"/a\"\nagent_path_template = \"/a\"".to_owned(),
            "must begin with /sshpop/",
        ),
        (
            "[sshpop]\ncert_authorities_path = \"/a\"\ncanonical_domain = \".a\"".to_owned(),
            "canonical_domain",
        ),
        ("[k8s_psat]".to_owned(), "`attestors.k8s_psat.clusters` has none"),
        (
            "[k8s_psat.clusters.c]".to_owned(),
            "`attestors.k8s_psat.clusters.c.service_account_allow_list` is empty",
        ),
        (
            "[k8s_psat.clusters.c]\nservice_account_allow_list = [\"a\"]".to_owned(),
            "a service account is namespace:name",
        ),
        (
            cluster.replace("clusters.c", "clusters.\"a/b\""),
            "no name of a cluster",
        ),
        (format!("{cluster}api = \"http://a\""), "it must be https"),
        (
            format!("{cluster}api = \"a\""),
            "`attestors.k8s_psat.clusters.c.api`",
        ),
        ("[gcp_iit]".to_owned(), "`attestors.gcp_iit.projectid_allow_list`"),
        (
            "[gcp_iit]\nprojectid_allow_list = [\"a\"]\nkeys_url = \"http://a/\"".to_owned(),
            "`attestors.gcp_iit.keys_url`",
        ),
        ("[azure_msi]".to_owned(), "`attestors.azure_msi.tenants` has none"),
        (
            "[azure_msi]\nagent_path_template = \"/azure_msi/{{ .Nothing }}\"\n[azure_msi.tenants.t]"
                .to_owned(),
            "unknown field",
        ),
        (
            "[aws_iid]".to_owned(),
            "`attestors.aws_iid.account_ids_for_local_validation`",
        ),
        (
            "[aws_iid]\naccount_ids_for_local_validation = [\"1\"]".to_owned(),
            "an account has 12 digits",
        ),
        (aws.to_owned(), "`attestors.aws_iid.certificates` has none"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
    let only = parse(&format!("join_token = false\n{cluster}")).unwrap();
    assert!(only.k8s_psat.is_some());
    for ports in ["required_port = 80", "allow_non_root_ports = false"] {
        parse(&format!("[http_challenge]\ntofu = false\n{ports}")).unwrap();
    }
}

#[test]
fn files_of_methods_outside_that_are_no_use_are_named() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    let sshpop = SshPopSection {
        cert_authorities_path: Some(path.clone()),
        ..SshPopSection::default()
    };
    let aws = AwsIidSection {
        certificates: [("eu-test-1".to_owned(), path.clone())].into(),
        ..AwsIidSection::default()
    };
    for content in [None, Some(""), Some("rubbish")] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = sshpop.authorities().unwrap_err().to_string();
        assert!(
            error.starts_with("`attestors.sshpop.cert_authorities_path`: "),
            "{error}"
        );
        let error = aws.signers().unwrap_err().to_string();
        assert!(error.starts_with("`attestors.aws_iid.certificates`: "), "{error}");
    }
}

#[test]
fn a_region_may_have_several_certificates_each_of_which_could_sign() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("region.pem");
    let aws = AwsIidSection {
        certificates: [("eu-test-1".to_owned(), path.clone())].into(),
        ..AwsIidSection::default()
    };
    let certificate = |key: rcgen::KeyPair| {
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        certificate.pem()
    };
    let rsa = || {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        certificate(key.unwrap())
    };
    std::fs::write(&path, rsa() + &rsa()).unwrap();
    assert_eq!(aws.signers().unwrap()["eu-test-1"].len(), 2);
    std::fs::write(&path, rsa() + &certificate(rcgen::KeyPair::generate().unwrap())).unwrap();
    let error = aws.signers().unwrap_err().to_string();
    assert!(error.contains("RSA keys of at least 2048 bits"), "{error}");
}
