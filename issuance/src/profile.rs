//! Profiles: which kinds of certificates there are, and what each may say.

use std::fmt;
use std::time::Duration;

use spiffe::{SpiffeId, TrustDomain};

use crate::error::ProfileError;

/// How far before `now` a certificate's validity begins, so that a peer whose clock is a little slow accepts it.
pub const BACKDATE: Duration = Duration::from_secs(10);

/// Longest SPIFFE ID that is certified, in bytes (SPIFFE-ID, section 2.3).
pub const MAX_SPIFFE_ID_LEN: usize = 2048;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// The root of a trust domain's family: issuer and subject are one.
    SelfSignedAuthority,
    /// An authority under another authority of the same family.
    IntermediateAuthority,
    /// The identity of a program, and no authority.
    Svid(SvidProfile),
}

impl Profile {
    /// The name used in records, errors and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SelfSignedAuthority => "self-signed authority",
            Self::IntermediateAuthority => "intermediate authority",
            Self::Svid(profile) => profile.name(),
        }
    }

    /// Whether certificates of this profile sign others.
    pub const fn is_authority(self) -> bool {
        matches!(self, Self::SelfSignedAuthority | Self::IntermediateAuthority)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose identity an X.509-SVID is. The profiles share their extensions and differ in the SPIFFE IDs they allow
/// and in who may have DNS names.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SvidProfile {
    /// The server itself, always `spiffe://<trust domain>/spire/server`.
    Server,
    /// A node agent, below `/spire/agent/`.
    Agent,
    /// A workload: any path outside `/spire`, DNS names if its entry has them.
    Workload,
}

impl SvidProfile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Server, Self::Agent, Self::Workload];

    /// The name used in records, errors and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Workload => "workload",
        }
    }

    /// Checks that this profile may certify `id`, whose trust domain has been checked already. The paths are those
    /// SPIRE reserves.
    pub(crate) fn check_path(self, id: &SpiffeId) -> Result<(), ProfileError> {
        let path = id.path();
        let (allowed, wanted) = match self {
            Self::Server => (path == "/spire/server", "the path /spire/server"),
            Self::Agent => (
                path.strip_prefix("/spire/agent/")
                    .is_some_and(|rest| !rest.is_empty()),
                "a path below /spire/agent/",
            ),
            Self::Workload => (
                !path.is_empty() && path != "/spire" && !path.starts_with("/spire/"),
                "a path that is not empty and not below /spire/",
            ),
        };
        if allowed {
            Ok(())
        } else {
            Err(ProfileError::Path {
                profile: self,
                spiffe_id: id.to_string(),
                wanted,
            })
        }
    }

    /// Whether certificates of this profile may carry DNS names.
    pub(crate) const fn allows_dns_names(self) -> bool {
        matches!(self, Self::Workload)
    }
}

impl fmt::Display for SvidProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The SPIFFE ID that an authority of `trust_domain` carries: the trust domain's own, without a path (X509-SVID,
/// section 2).
pub(crate) fn authority_id_of(trust_domain: &TrustDomain) -> String {
    format!("spiffe://{trust_domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_keeps_to_its_paths() {
        let cases = [
            ("/spire/server", [true, false, false]),
            ("/spire/server/x", [false, false, false]),
            ("/spire/agent/join_token/abc", [false, true, false]),
            ("/spire/agent", [false, false, false]),
            ("/spire", [false, false, false]),
            ("/spirelike", [false, false, true]),
            ("/web", [false, false, true]),
            ("", [false, false, false]),
        ];
        for (path, expected) in cases {
            let id = SpiffeId::new(format!("spiffe://example.org{path}")).unwrap();
            let found = SvidProfile::ALL.map(|profile| profile.check_path(&id).is_ok());
            assert_eq!(found, expected, "{path:?}");
        }
    }
}
