//! Suites, forms and families: what signs, what a workload is given, and what issues it (design, section 2).

mod form;
mod table;

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use symbolon_crypto::Component;

pub use self::form::{Family, Form, UnknownFamily, UnknownForm};
use self::table::{SPECS, Spec};
use crate::composite::CompositeSpec;

/// What signs a certificate: one component alone, or a composite of two
/// (draft-ietf-lamps-pq-composite-sigs-19).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Suite {
    /// ECDSA P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA P-384 with SHA-384.
    EcdsaP384,
    /// ECDSA P-521 with SHA-512, for roots.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// ML-DSA-44 alone (RFC 9881).
    MlDsa44,
    /// ML-DSA-65 alone (RFC 9881).
    MlDsa65,
    /// ML-DSA-87 alone (RFC 9881).
    MlDsa87,
    /// id-MLDSA44-RSA2048-PSS-SHA256, arc .37.
    MlDsa44Rsa2048Pss,
    /// id-MLDSA44-RSA2048-PKCS15-SHA256, arc .38.
    MlDsa44Rsa2048Pkcs15,
    /// id-MLDSA44-Ed25519-SHA512, arc .39.
    MlDsa44Ed25519,
    /// id-MLDSA44-ECDSA-P256-SHA256, arc .40.
    MlDsa44EcdsaP256,
    /// id-MLDSA65-RSA3072-PSS-SHA512, arc .41.
    MlDsa65Rsa3072Pss,
    /// id-MLDSA65-RSA3072-PKCS15-SHA512, arc .42.
    MlDsa65Rsa3072Pkcs15,
    /// id-MLDSA65-RSA4096-PSS-SHA512, arc .43.
    MlDsa65Rsa4096Pss,
    /// id-MLDSA65-RSA4096-PKCS15-SHA512, arc .44.
    MlDsa65Rsa4096Pkcs15,
    /// id-MLDSA65-ECDSA-P256-SHA512, arc .45: the default hybrid.
    MlDsa65EcdsaP256,
    /// id-MLDSA65-ECDSA-P384-SHA512, arc .46.
    MlDsa65EcdsaP384,
    /// id-MLDSA65-ECDSA-brainpoolP256r1-SHA512, arc .47.
    MlDsa65EcdsaBrainpoolP256r1,
    /// id-MLDSA65-Ed25519-SHA512, arc .48.
    MlDsa65Ed25519,
    /// id-MLDSA87-ECDSA-P384-SHA512, arc .49.
    MlDsa87EcdsaP384,
    /// id-MLDSA87-ECDSA-brainpoolP384r1-SHA512, arc .50.
    MlDsa87EcdsaBrainpoolP384r1,
    /// id-MLDSA87-Ed448-SHAKE256, arc .51.
    MlDsa87Ed448,
    /// id-MLDSA87-RSA3072-PSS-SHA512, arc .52.
    MlDsa87Rsa3072Pss,
    /// id-MLDSA87-RSA4096-PSS-SHA512, arc .53.
    MlDsa87Rsa4096Pss,
    /// id-MLDSA87-ECDSA-P521-SHA512, arc .54.
    MlDsa87EcdsaP521,
    /// SLH-DSA-SHA2-128s alone (RFC 9909), for roots.
    SlhDsaSha2_128s,
    /// SLH-DSA-SHA2-128f alone (RFC 9909), for roots.
    SlhDsaSha2_128f,
    /// SLH-DSA-SHA2-192s alone (RFC 9909), for roots.
    SlhDsaSha2_192s,
    /// SLH-DSA-SHA2-192f alone (RFC 9909), for roots.
    SlhDsaSha2_192f,
    /// SLH-DSA-SHA2-256s alone (RFC 9909), for roots.
    SlhDsaSha2_256s,
    /// SLH-DSA-SHA2-256f alone (RFC 9909), for roots.
    SlhDsaSha2_256f,
    /// SLH-DSA-SHAKE-128s alone (RFC 9909), for roots.
    SlhDsaShake128s,
    /// SLH-DSA-SHAKE-128f alone (RFC 9909), for roots.
    SlhDsaShake128f,
    /// SLH-DSA-SHAKE-192s alone (RFC 9909), for roots.
    SlhDsaShake192s,
    /// SLH-DSA-SHAKE-192f alone (RFC 9909), for roots.
    SlhDsaShake192f,
    /// SLH-DSA-SHAKE-256s alone (RFC 9909), for roots.
    SlhDsaShake256s,
    /// SLH-DSA-SHAKE-256f alone (RFC 9909), for roots.
    SlhDsaShake256f,
}

impl Suite {
    /// The suites that are offered without being asked for by name: those whose cost is measured, made of
    /// [`Component::DEFAULTS`].
    pub const DEFAULTS: [Self; 12] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::MlDsa44Ed25519,
        Self::MlDsa44EcdsaP256,
        Self::MlDsa65EcdsaP256,
        Self::MlDsa65EcdsaP384,
        Self::MlDsa65Ed25519,
        Self::MlDsa87EcdsaP384,
    ];

    /// Every suite, in the order in which tables list them.
    pub const ALL: [Self; 37] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::MlDsa44Rsa2048Pss,
        Self::MlDsa44Rsa2048Pkcs15,
        Self::MlDsa44Ed25519,
        Self::MlDsa44EcdsaP256,
        Self::MlDsa65Rsa3072Pss,
        Self::MlDsa65Rsa3072Pkcs15,
        Self::MlDsa65Rsa4096Pss,
        Self::MlDsa65Rsa4096Pkcs15,
        Self::MlDsa65EcdsaP256,
        Self::MlDsa65EcdsaP384,
        Self::MlDsa65EcdsaBrainpoolP256r1,
        Self::MlDsa65Ed25519,
        Self::MlDsa87EcdsaP384,
        Self::MlDsa87EcdsaBrainpoolP384r1,
        Self::MlDsa87Ed448,
        Self::MlDsa87Rsa3072Pss,
        Self::MlDsa87Rsa4096Pss,
        Self::MlDsa87EcdsaP521,
        Self::SlhDsaSha2_128s,
        Self::SlhDsaSha2_128f,
        Self::SlhDsaSha2_192s,
        Self::SlhDsaSha2_192f,
        Self::SlhDsaSha2_256s,
        Self::SlhDsaSha2_256f,
        Self::SlhDsaShake128s,
        Self::SlhDsaShake128f,
        Self::SlhDsaShake192s,
        Self::SlhDsaShake192f,
        Self::SlhDsaShake256s,
        Self::SlhDsaShake256f,
    ];

    /// `SPECS` stands in the order of the variants, which a test holds true.
    fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    /// The name used in configuration and output, such as `mldsa65-ecdsa-p256`.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// The components: one, or for a composite the ML-DSA one and then the traditional one.
    pub fn components(self) -> &'static [Component] {
        self.spec().components
    }

    /// What the draft fixes about a composite; `None` for a single component.
    pub(crate) fn composite(self) -> Option<&'static CompositeSpec> {
        self.spec().composite.as_ref()
    }

    /// The last arc of a composite's OID (1.3.6.1.5.5.7.6.N); `None` for a single component.
    pub fn composite_arc(self) -> Option<u8> {
        self.composite().map(|spec| spec.arc)
    }

    /// Whether this suite is a composite.
    pub fn is_composite(self) -> bool {
        self.composite().is_some()
    }

    /// The OID that names this suite's signatures.
    pub fn signature_oid(self) -> ObjectIdentifier {
        self.spec().signature_oid
    }

    /// DER of the AlgorithmIdentifier of this suite's signatures, parameters absent.
    pub fn signature_algorithm_der(self) -> &'static [u8] {
        self.spec().signature_algorithm
    }

    /// DER of the AlgorithmIdentifier of this suite's public keys.
    pub fn key_algorithm_der(self) -> &'static [u8] {
        self.spec().key_algorithm
    }

    /// The suite whose signatures `oid` names.
    pub fn from_signature_oid(oid: &ObjectIdentifier) -> Option<Self> {
        SPECS
            .iter()
            .find(|spec| spec.signature_oid == *oid)
            .map(|spec| spec.suite)
    }

    /// The suite of a public key with this AlgorithmIdentifier, compared byte for byte: a suite has one encoding.
    pub(crate) fn from_key_algorithm(der: &[u8]) -> Option<Self> {
        SPECS
            .iter()
            .find(|spec| spec.key_algorithm == der)
            .map(|spec| spec.suite)
    }

    /// Whether keys of some suite are of this algorithm, given the right parameters.
    pub(crate) fn is_key_algorithm(oid: ObjectIdentifier) -> bool {
        oid == const_oid::db::rfc5912::ID_EC_PUBLIC_KEY || Self::from_signature_oid(&oid).is_some()
    }

    /// The suite of a single component, if the component has one: most classical halves stand in composites alone, and
    /// RSA is no suite of ours.
    pub fn of_component(component: Component) -> Option<Self> {
        SPECS
            .iter()
            .find(|spec| spec.components == [component])
            .map(|spec| spec.suite)
    }

    /// Whether SVIDs, and the authorities that sign them, may have keys of this suite. SLH-DSA signatures are too long
    /// and slow for that, and many of SPIFFE's programs cannot read P-521: both are for roots, below which others sign.
    pub fn is_for_svids(self) -> bool {
        self != Self::EcdsaP521 && !self.components().iter().any(|component| component.is_slh_dsa())
    }

    /// The form of identity that a key of this suite belongs to. SLH-DSA counts as ML-DSA does: post-quantum, and one
    /// scheme alone.
    pub fn form(self) -> Form {
        if self.is_composite() {
            Form::Composite
        } else if self
            .components()
            .iter()
            .any(|component| component.is_post_quantum())
        {
            Form::MlDsa
        } else {
            Form::Classical
        }
    }

    /// The family of authorities that signs with this suite.
    pub fn family(self) -> Family {
        self.form().family()
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A suite name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown suite {0:?}; known: {known}", known = Suite::ALL.map(Suite::name).join(", "))]
pub struct UnknownSuite(pub String);

impl FromStr for Suite {
    type Err = UnknownSuite;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name() == name)
            .ok_or_else(|| UnknownSuite(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};
    use spki::AlgorithmIdentifierRef;

    use super::*;

    #[test]
    fn the_defaults_are_made_of_the_default_components_and_are_all_that_are() {
        let of_defaults = |suite: &Suite| {
            let mut components = suite.components().iter();
            components.all(|component| Component::DEFAULTS.contains(component))
        };
        let found: Vec<_> = Suite::ALL.into_iter().filter(of_defaults).collect();
        assert_eq!(found, Suite::DEFAULTS);
    }

    #[test]
    fn the_composites_are_those_of_the_draft() {
        let arcs: Vec<_> = Suite::ALL.into_iter().filter_map(Suite::composite_arc).collect();
        assert_eq!(arcs, (37..=54).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_for_roots_is_not_for_svids() {
        for suite in Suite::ALL {
            let for_roots = suite == Suite::EcdsaP521 || suite.name().starts_with("slh-dsa-");
            assert_eq!(suite.is_for_svids(), !for_roots, "{suite}");
        }
        assert_eq!(Suite::SlhDsaSha2_128s.form(), Form::MlDsa);
    }

    #[test]
    fn the_table_stands_in_the_order_of_the_variants() {
        for (suite, spec) in Suite::ALL.into_iter().zip(&SPECS) {
            assert_eq!(spec.suite, suite);
            assert_eq!(suite.spec().name, spec.name);
        }
    }

    #[test]
    fn every_name_reads_back() {
        for suite in Suite::ALL {
            assert_eq!(suite.name().parse(), Ok(suite));
        }
    }

    #[test]
    fn algorithm_identifiers_are_der_and_name_the_oid() {
        for suite in Suite::ALL {
            let signature = AlgorithmIdentifierRef::from_der(suite.signature_algorithm_der()).unwrap();
            assert_eq!(signature.oid, suite.signature_oid(), "{suite}");
            assert!(signature.parameters.is_none(), "{suite}");
            let key = AlgorithmIdentifierRef::from_der(suite.key_algorithm_der()).unwrap();
            assert_eq!(key.to_der().unwrap(), suite.key_algorithm_der(), "{suite}");
            assert_eq!(Suite::from_signature_oid(&signature.oid), Some(suite));
            assert_eq!(Suite::from_key_algorithm(suite.key_algorithm_der()), Some(suite));
        }
    }

    #[test]
    fn composites_put_ml_dsa_first() {
        for suite in Suite::ALL.into_iter().filter(|suite| suite.is_composite()) {
            let [first, second] = suite.components() else {
                panic!("{suite} has two components")
            };
            assert!(first.is_ml_dsa() && !second.is_post_quantum(), "{suite}");
            assert_eq!(suite.form(), Form::Composite);
        }
    }
}
