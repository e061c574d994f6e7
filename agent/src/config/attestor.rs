//! What the node attests with.
//!
//! ```toml
#![doc = include_str!("attestors.toml")]
//! ```

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;
use symbolon_hsm::{SecretSource, Tcti};

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
    /// Checks what is said, without opening a file.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let problem = |key, reason: String| Err(Problem { key, reason });
        if self.join_token_file.is_some() && self.join_token_env.is_some() {
            let reason = "contradicts `attestor.join_token_file`; give one";
            return problem("attestor.join_token_env", reason.to_owned());
        }
        let given = [
            self.join_token_file.is_some() || self.join_token_env.is_some(),
            self.x509pop.is_some(),
            self.tpm.is_some(),
            self.tpm_devid.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let reason = "has more than one method; give a join token, or one of the sections x509pop, tpm and tpm_devid";
            return problem("attestor", reason.to_owned());
        }
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
