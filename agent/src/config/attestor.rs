//! What the node attests with.
//!
//! ```toml
#![doc = include_str!("attestors.toml")]
//! ```

mod outside;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;
use symbolon_hsm::{SecretSource, Tcti};

pub use self::outside::{
    AwsIidSection, AzureMsiSection, GcpIitSection, HttpChallengeSection, K8sPsatSection, SshPopSection,
};
use super::check::Problem;

/// What the node attests with: a join token, or one of the sections.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AttestorConfig {
    /// A private file with a join token.
    pub join_token_file: Option<PathBuf>,
    /// An environment variable with a join token.
    pub join_token_env: Option<String>,
    /// A certificate and its key.
    pub x509pop: Option<X509PopSection>,
    /// The machine's TPM.
    pub tpm: Option<TpmSection>,
    /// A device identity in the machine's TPM.
    pub tpm_devid: Option<TpmDevIdSection>,
    /// A name of the DNS that the node answers at.
    pub http_challenge: Option<HttpChallengeSection>,
    /// An SSH host certificate and its key.
    pub sshpop: Option<SshPopSection>,
    /// The pod's service account token.
    pub k8s_psat: Option<K8sPsatSection>,
    /// The identity token of a virtual machine of Google's.
    pub gcp_iit: Option<GcpIitSection>,
    /// The managed identity of a virtual machine of Azure's.
    pub azure_msi: Option<AzureMsiSection>,
    /// The identity document of a virtual machine of Amazon's.
    pub aws_iid: Option<AwsIidSection>,
}

/// A certificate and its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct X509PopSection {
    /// The certificate in PEM, and any intermediates after it.
    pub certificate: PathBuf,
    /// Its private key in PEM, in a private file.
    pub private_key: PathBuf,
    /// Intermediates in PEM, if they are not in `certificate`.
    pub intermediates: Option<PathBuf>,
}

/// A TPM, and how it is reached.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct TpmSection {
    /// Which TPM. Default: `device:/dev/tpmrm0`.
    pub tcti: Tcti,
    /// Where the endorsement hierarchy's password is: `file:PATH` or `env:NAME`. Default: it has none.
    pub endorsement_auth: Option<String>,
    /// Certificates in PEM that speak for the endorsement key beside the TPM's own: intermediates, or all of them.
    pub certificates: Option<PathBuf>,
    /// How long a call may take. Default: 1 minute, because some TPMs take their time to make an RSA key.
    pub deadline: HumanDuration,
}

impl Default for TpmSection {
    fn default() -> Self {
        Self {
            tcti: Tcti::default(),
            endorsement_auth: None,
            certificates: None,
            deadline: HumanDuration(DEADLINE),
        }
    }
}

/// A device identity in the machine's TPM.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TpmDevIdSection {
    /// Which TPM. Default: `device:/dev/tpmrm0`.
    #[serde(default)]
    pub tcti: Tcti,
    /// The device's certificate in PEM, and any intermediates after it.
    pub devid_certificate: PathBuf,
    /// The public part of its key, as the TPM made it.
    pub devid_public: PathBuf,
    /// The private part, wrapped by the TPM.
    pub devid_private: PathBuf,
    /// Where the key's password is: `file:PATH` or `env:NAME`. Default: it has none.
    #[serde(default)]
    pub devid_auth: Option<String>,
    /// Where the endorsement hierarchy's password is. Default: it has none.
    #[serde(default)]
    pub endorsement_auth: Option<String>,
    /// Where the owner hierarchy's password is. Default: it has none.
    #[serde(default)]
    pub owner_auth: Option<String>,
    /// How long a call may take. Default: 1 minute.
    #[serde(default = "deadline")]
    pub deadline: HumanDuration,
}

const DEADLINE: Duration = Duration::from_secs(60);

/// Deadlines outside of these are mistakes.
const DEADLINES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);

fn deadline() -> HumanDuration {
    HumanDuration(DEADLINE)
}

impl AttestorConfig {
    /// The methods that have sections, and whether each is there.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&'static str, bool)> {
        [
            ("x509pop", self.x509pop.is_some()),
            ("tpm", self.tpm.is_some()),
            ("tpm_devid", self.tpm_devid.is_some()),
            ("http_challenge", self.http_challenge.is_some()),
            ("sshpop", self.sshpop.is_some()),
            ("k8s_psat", self.k8s_psat.is_some()),
            ("gcp_iit", self.gcp_iit.is_some()),
            ("azure_msi", self.azure_msi.is_some()),
            ("aws_iid", self.aws_iid.is_some()),
        ]
        .into_iter()
    }

    /// Checks what is said, without opening a file.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let problem = |key, reason: String| Err(Problem { key, reason });
        if self.join_token_file.is_some() && self.join_token_env.is_some() {
            let reason = "contradicts `attestor.join_token_file`; give one";
            return problem("attestor.join_token_env", reason.to_owned());
        }
        let has_token = self.join_token_file.is_some() || self.join_token_env.is_some();
        let given = self.sections().filter(|(_, is_there)| *is_there).count() + usize::from(has_token);
        if given > 1 {
            let names: Vec<_> = self.sections().map(|(name, _)| name).collect();
            let names = names.join(", ");
            let reason =
                format!("has more than one method; give a join token, or one of the sections {names}");
            return problem("attestor", reason);
        }
        self.http_challenge
            .as_ref()
            .map_or(Ok(()), HttpChallengeSection::check)?;
        self.k8s_psat.as_ref().map_or(Ok(()), K8sPsatSection::check)?;
        self.gcp_iit.as_ref().map_or(Ok(()), GcpIitSection::check)?;
        self.azure_msi.as_ref().map_or(Ok(()), AzureMsiSection::check)?;
        self.aws_iid.as_ref().map_or(Ok(()), AwsIidSection::check)?;
        for (key, section) in [
            ("attestor.tpm", self.tpm.is_some()),
            ("attestor.tpm_devid", self.tpm_devid.is_some()),
        ] {
            if section && !symbolon_hsm::tpm::IS_BUILT {
                let reason = "asks for a TPM, and this program was built without the cargo feature `tpm`";
                return problem(key, reason.to_owned());
            }
        }
        let tpm = self.tpm.as_ref();
        let device = self.tpm_devid.as_ref();
        for (key, source) in [
            (
                "attestor.tpm.endorsement_auth",
                tpm.and_then(|tpm| tpm.endorsement_auth.as_ref()),
            ),
            (
                "attestor.tpm_devid.endorsement_auth",
                device.and_then(|it| it.endorsement_auth.as_ref()),
            ),
            (
                "attestor.tpm_devid.owner_auth",
                device.and_then(|it| it.owner_auth.as_ref()),
            ),
            (
                "attestor.tpm_devid.devid_auth",
                device.and_then(|it| it.devid_auth.as_ref()),
            ),
        ] {
            match source.map(|text| text.parse()) {
                None | Some(Ok(SecretSource::File(_) | SecretSource::Environment(_))) => {}
                // The text is not repeated: it may be the password.
                _ => return problem(key, "must be file:PATH or env:NAME".to_owned()),
            }
        }
        for (key, deadline) in [
            ("attestor.tpm.deadline", tpm.map(|tpm| tpm.deadline)),
            ("attestor.tpm_devid.deadline", device.map(|it| it.deadline)),
        ] {
            if let Some(deadline) = deadline.filter(|deadline| !DEADLINES.contains(&deadline.0)) {
                return problem(key, format!("is {deadline}; it can be 1s to 1h"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AttestorConfig, String> {
        let config: AttestorConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config
            .check()
            .map(|()| config)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        #[derive(Deserialize)]
        struct File {
            attestor: AttestorConfig,
        }
        let documented: File = toml::from_str(include_str!("attestors.toml")).unwrap();
        let documented = documented.attestor;
        assert!(documented.x509pop.unwrap().intermediates.is_none());
        let tpm = documented.tpm.unwrap();
        assert_eq!(tpm, TpmSection::default());
        let device = documented.tpm_devid.unwrap();
        assert_eq!((device.tcti, device.deadline), (tpm.tcti, tpm.deadline));
        assert_eq!(parse("").unwrap(), AttestorConfig::default());
    }

    #[test]
    fn the_documented_defaults_of_methods_outside_are_the_defaults() {
        #[derive(Deserialize)]
        struct File {
            attestor: AttestorConfig,
        }
        let documented: File = toml::from_str(include_str!("attestor/outside.toml")).unwrap();
        let documented = documented.attestor;
        assert_eq!(
            documented.http_challenge.unwrap(),
            HttpChallengeSection::default()
        );
        assert_eq!(documented.sshpop.unwrap(), SshPopSection::default());
        assert_eq!(documented.gcp_iit.unwrap(), GcpIitSection::default());
        assert_eq!(documented.azure_msi.unwrap(), AzureMsiSection::default());
        assert_eq!(documented.aws_iid.unwrap(), AwsIidSection::default());
        let named = parse("[k8s_psat]\ncluster = \"example\"").unwrap();
        assert_eq!(documented.k8s_psat, named.k8s_psat);
    }

    #[test]
    fn each_mistake_of_methods_outside_is_named() {
        for (text, words) in [
            ("[k8s_psat]", "cluster"),
            ("[k8s_psat]\ncluster = \"\"", "`attestor.k8s_psat.cluster`"),
            (
                "[http_challenge]\nhostname = \"127.0.0.1\"",
                "`attestor.http_challenge` cannot be used: the host name",
            ),
            ("[http_challenge]\nagentname = \"a b\"", "agent's name"),
            ("[http_challenge]\nadvertised_port = 0", "port is 0"),
            (
                "[gcp_iit]\nidentity_token_host = \"a b\"",
                "`attestor.gcp_iit.identity_token_host`",
            ),
            (
                "[azure_msi]\nmetadata_endpoint = \"https://169.254.169.254\"",
                "`attestor.azure_msi.metadata_endpoint`",
            ),
            (
                "[aws_iid]\nec2_metadata_endpoint = \"nowhere\"",
                "`attestor.aws_iid.ec2_metadata_endpoint`",
            ),
            ("[aws_iid]\n[sshpop]", "more than one method"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        let x509pop = "[x509pop]\ncertificate = \"/c\"\nprivate_key = \"/k\"\n";
        parse(x509pop).unwrap();
        for (text, words) in [
            (
                format!("join_token_env = \"A\"\n{x509pop}"),
                "more than one method",
            ),
            (format!("{x509pop}intermediate = \"/i\""), "intermediate"),
            ("[x509pop]\ncertificate = \"/c\"".to_owned(), "private_key"),
            ("[tpm]\ntcti = \"tpm0\"".to_owned(), "device:/dev/tpmrm0"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let tpm = parse("[tpm]\nendorsement_auth = \"hunter2\"").unwrap_err();
        assert!(!tpm.contains("hunter2"), "{tpm}");
        if symbolon_hsm::tpm::IS_BUILT {
            assert!(tpm.contains("`attestor.tpm.endorsement_auth`"), "{tpm}");
            let deadline = parse("[tpm]\ndeadline = \"0s\"").unwrap_err();
            assert!(deadline.contains("`attestor.tpm.deadline` is 0s"), "{deadline}");
        } else {
            assert!(tpm.contains("cargo feature `tpm`"), "{tpm}");
        }
    }
}
