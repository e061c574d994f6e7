//! The cryptography offered to rustls: aws-lc-rs with hybrid key exchange, and classical groups only on request.

use std::sync::Arc;

use rustls::NamedGroup;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};

use crate::group::{SECP384R1MLKEM1024, SECP384R1MLKEM1024_CODE};

/// A key-exchange group that this crate can use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
#[non_exhaustive]
pub enum KxGroup {
    /// ML-KEM-768 with X25519 (0x11EC).
    X25519MlKem768,
    /// P-256 with ML-KEM-768 (0x11EB).
    SecP256r1MlKem768,
    /// P-384 with ML-KEM-1024 (0x11ED).
    SecP384r1MlKem1024,
    /// X25519 alone (0x001D): no defence against a quantum attacker.
    X25519,
    /// P-256 alone (0x0017): no defence against a quantum attacker.
    SecP256r1,
    /// P-384 alone (0x0018): no defence against a quantum attacker.
    SecP384r1,
}

impl KxGroup {
    /// Every hybrid group, in the order in which we offer them.
    pub const HYBRID: [Self; 3] = [
        Self::X25519MlKem768,
        Self::SecP256r1MlKem768,
        Self::SecP384r1MlKem1024,
    ];

    /// Every classical group, in the order in which we offer them.
    pub const CLASSICAL: [Self; 3] = [Self::X25519, Self::SecP256r1, Self::SecP384r1];

    /// Whether the group withstands a quantum attacker (and a classical one, should ML-KEM fall).
    pub const fn is_hybrid(self) -> bool {
        matches!(
            self,
            Self::X25519MlKem768 | Self::SecP256r1MlKem768 | Self::SecP384r1MlKem1024
        )
    }

    /// The name in IANA's "TLS Supported Groups" registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::SecP256r1MlKem768 => "SecP256r1MLKEM768",
            Self::SecP384r1MlKem1024 => "SecP384r1MLKEM1024",
            Self::X25519 => "x25519",
            Self::SecP256r1 => "secp256r1",
            Self::SecP384r1 => "secp384r1",
        }
    }

    /// The code point in the TLS supported_groups extension.
    pub const fn code(self) -> u16 {
        match self {
            Self::X25519MlKem768 => 0x11EC,
            Self::SecP256r1MlKem768 => 0x11EB,
            Self::SecP384r1MlKem1024 => SECP384R1MLKEM1024_CODE,
            Self::X25519 => 0x001D,
            Self::SecP256r1 => 0x0017,
            Self::SecP384r1 => 0x0018,
        }
    }

    /// The group of a TLS code point, if it is one of ours.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::HYBRID
            .into_iter()
            .chain(Self::CLASSICAL)
            .find(|group| group.code() == code)
    }

    fn implementation(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::X25519MlKem768 => kx_group::X25519MLKEM768,
            Self::SecP256r1MlKem768 => kx_group::SECP256R1MLKEM768,
            Self::SecP384r1MlKem1024 => SECP384R1MLKEM1024,
            Self::X25519 => kx_group::X25519,
            Self::SecP256r1 => kx_group::SECP256R1,
            Self::SecP384r1 => kx_group::SECP384R1,
        }
    }
}

/// Which key-exchange groups one side takes part in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum KexPolicy {
    /// The three hybrid groups and nothing else. The default.
    #[default]
    PostQuantum,
    /// The hybrid groups, then the classical ones.
    AllowClassical,
    /// Exactly these, most preferred first: for a listener under a stricter rule (CNSA 2.0 wants
    /// SecP384r1MLKEM1024 alone) and for probes, which offer what they test.
    Only(Vec<KxGroup>),
}

impl KexPolicy {
    /// The groups, most preferred first.
    pub fn groups(&self) -> Vec<KxGroup> {
        match self {
            Self::PostQuantum => KxGroup::HYBRID.to_vec(),
            Self::AllowClassical => KxGroup::HYBRID.into_iter().chain(KxGroup::CLASSICAL).collect(),
            Self::Only(groups) => groups.clone(),
        }
    }
}

/// rustls' aws-lc-rs provider with the groups of `kex`.
///
/// Signatures of SPIFFE peers never reach the provider's own (webpki) algorithms: the verifiers of this crate
/// check them. Those algorithms stay for connections to services outside SPIFFE.
pub fn crypto_provider(kex: &KexPolicy) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: kex.groups().into_iter().map(KxGroup::implementation).collect(),
        ..default_provider()
    })
}

/// The registry's name of a negotiated group; for one that is not ours, its code point in hex.
pub fn group_name(group: NamedGroup) -> String {
    let code = u16::from(group);
    KxGroup::from_code(code).map_or_else(|| format!("0x{code:04X}"), |group| group.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_what_its_implementation_says() {
        for group in KxGroup::HYBRID.into_iter().chain(KxGroup::CLASSICAL) {
            assert_eq!(u16::from(group.implementation().name()), group.code());
            assert_eq!(group_name(NamedGroup::from(group.code())), group.name());
            assert_eq!(KxGroup::CLASSICAL.contains(&group), !group.is_hybrid());
        }
        assert_eq!(group_name(NamedGroup::from(0x0019)), "0x0019");
    }

    #[test]
    fn classical_groups_need_asking_for() {
        let groups = |policy: &KexPolicy| -> Vec<u16> {
            crypto_provider(policy)
                .kx_groups
                .iter()
                .map(|group| u16::from(group.name()))
                .collect()
        };
        assert_eq!(groups(&KexPolicy::default()), [0x11EC, 0x11EB, 0x11ED]);
        assert_eq!(
            groups(&KexPolicy::AllowClassical),
            [0x11EC, 0x11EB, 0x11ED, 0x001D, 0x0017, 0x0018]
        );
        assert_eq!(
            groups(&KexPolicy::Only(vec![KxGroup::SecP384r1MlKem1024])),
            [0x11ED]
        );
    }
}
