//! Suites, forms and families: what signs, what a workload is given, and what issues it (design, section 2).

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use symbolon_crypto::Component;

use crate::composite::{CompositeSpec, PreHash};

/// What signs a certificate: one component alone, or a composite of two
/// (draft-ietf-lamps-pq-composite-sigs-19).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Suite {
    /// ECDSA P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA P-384 with SHA-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
    /// ML-DSA-44 alone (RFC 9881).
    MlDsa44,
    /// ML-DSA-65 alone (RFC 9881).
    MlDsa65,
    /// ML-DSA-87 alone (RFC 9881).
    MlDsa87,
    /// id-MLDSA44-Ed25519-SHA512, arc .39.
    MlDsa44Ed25519,
    /// id-MLDSA44-ECDSA-P256-SHA256, arc .40.
    MlDsa44EcdsaP256,
    /// id-MLDSA65-ECDSA-P256-SHA512, arc .45: the default hybrid.
    MlDsa65EcdsaP256,
    /// id-MLDSA65-ECDSA-P384-SHA512, arc .46.
    MlDsa65EcdsaP384,
    /// id-MLDSA65-Ed25519-SHA512, arc .48.
    MlDsa65Ed25519,
    /// id-MLDSA87-ECDSA-P384-SHA512, arc .49.
    MlDsa87EcdsaP384,
}

/// Everything that is fixed about a suite, in one row of a table.
struct Spec {
    suite: Suite,
    name: &'static str,
    components: &'static [Component],
    /// DER of the signature's AlgorithmIdentifier.
    signature_algorithm: &'static [u8],
    /// DER of the key's AlgorithmIdentifier; the two differ for ECDSA only.
    key_algorithm: &'static [u8],
    signature_oid: ObjectIdentifier,
    composite: Option<CompositeSpec>,
}

/// A row for a composite, whose AlgorithmIdentifiers differ from each other in the last byte only.
macro_rules! composite {
    ($suite:ident, $arc:literal, $name:literal, [$ml_dsa:ident, $traditional:ident], $pre_hash:ident, $label:literal) => {
        Spec {
            suite: Suite::$suite,
            name: $name,
            components: &[Component::$ml_dsa, Component::$traditional],
            signature_algorithm: &[
                0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, $arc,
            ],
            key_algorithm: &[
                0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, $arc,
            ],
            signature_oid: ObjectIdentifier::new_unwrap(concat!("1.3.6.1.5.5.7.6.", $arc)),
            composite: Some(CompositeSpec::new($label, PreHash::$pre_hash, $arc)),
        }
    };
}

/// A row for an ML-DSA parameter set (RFC 9881, section 2): parameters absent, key and signature alike.
macro_rules! ml_dsa {
    ($suite:ident, $arc:literal, $name:literal) => {
        Spec {
            suite: Suite::$suite,
            name: $name,
            components: &[Component::$suite],
            signature_algorithm: &[
                0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, $arc,
            ],
            key_algorithm: &[
                0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, $arc,
            ],
            signature_oid: ObjectIdentifier::new_unwrap(concat!("2.16.840.1.101.3.4.3.", $arc)),
            composite: None,
        }
    };
}

static SPECS: [Spec; 12] = [
    Spec {
        suite: Suite::EcdsaP256,
        name: "ecdsa-p256",
        components: &[Component::EcdsaP256Sha256],
        signature_algorithm: &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
        ],
        key_algorithm: &[
            0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07,
        ],
        signature_oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        composite: None,
    },
    Spec {
        suite: Suite::EcdsaP384,
        name: "ecdsa-p384",
        components: &[Component::EcdsaP384Sha384],
        signature_algorithm: &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03,
        ],
        key_algorithm: &[
            0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
            0x00, 0x22,
        ],
        signature_oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        composite: None,
    },
    Spec {
        suite: Suite::Ed25519,
        name: "ed25519",
        components: &[Component::Ed25519],
        signature_algorithm: &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
        key_algorithm: &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
        signature_oid: ObjectIdentifier::new_unwrap("1.3.101.112"),
        composite: None,
    },
    ml_dsa!(MlDsa44, 17, "ml-dsa-44"),
    ml_dsa!(MlDsa65, 18, "ml-dsa-65"),
    ml_dsa!(MlDsa87, 19, "ml-dsa-87"),
    composite!(
        MlDsa44Ed25519,
        39,
        "mldsa44-ed25519",
        [MlDsa44, Ed25519],
        Sha512,
        "COMPSIG-MLDSA44-Ed25519-SHA512"
    ),
    composite!(
        MlDsa44EcdsaP256,
        40,
        "mldsa44-ecdsa-p256",
        [MlDsa44, EcdsaP256Sha256],
        Sha256,
        "COMPSIG-MLDSA44-ECDSA-P256-SHA256"
    ),
    composite!(
        MlDsa65EcdsaP256,
        45,
        "mldsa65-ecdsa-p256",
        [MlDsa65, EcdsaP256Sha256],
        Sha512,
        "COMPSIG-MLDSA65-ECDSA-P256-SHA512"
    ),
    composite!(
        MlDsa65EcdsaP384,
        46,
        "mldsa65-ecdsa-p384",
        [MlDsa65, EcdsaP384Sha384],
        Sha512,
        "COMPSIG-MLDSA65-ECDSA-P384-SHA512"
    ),
    composite!(
        MlDsa65Ed25519,
        48,
        "mldsa65-ed25519",
        [MlDsa65, Ed25519],
        Sha512,
        "COMPSIG-MLDSA65-Ed25519-SHA512"
    ),
    composite!(
        MlDsa87EcdsaP384,
        49,
        "mldsa87-ecdsa-p384",
        [MlDsa87, EcdsaP384Sha384],
        Sha512,
        "COMPSIG-MLDSA87-ECDSA-P384-SHA512"
    ),
];

impl Suite {
    /// Every suite, in the order in which tables list them.
    pub const ALL: [Self; 12] = [
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

    /// The suite of a single component.
    pub fn of_component(component: Component) -> Option<Self> {
        SPECS
            .iter()
            .find(|spec| spec.components == [component])
            .map(|spec| spec.suite)
    }

    /// The form of identity that a key of this suite belongs to.
    pub fn form(self) -> Form {
        if self.is_composite() {
            Form::Composite
        } else if self.components().iter().any(|component| component.is_ml_dsa()) {
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

/// What a workload is given: which kind of key its SVID holds. Requests name it; absent means classical.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Form {
    /// Today's SVID, with an ECDSA, Ed25519 or RSA key.
    #[default]
    Classical,
    /// An ML-DSA key alone (RFC 9881).
    MlDsa,
    /// A composite of ML-DSA and a classical key, believed only when both halves match.
    Composite,
}

impl Form {
    /// Every form, classical first.
    pub const ALL: [Self; 3] = [Self::Classical, Self::MlDsa, Self::Composite];

    /// The name used on the wire and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::MlDsa => "ml-dsa",
            Self::Composite => "composite",
        }
    }

    /// The family that issues this form.
    pub const fn family(self) -> Family {
        match self {
            Self::Classical => Family::Classical,
            Self::MlDsa => Family::MlDsa,
            Self::Composite => Family::Composite,
        }
    }

    /// The suite of the leaf keys that workloads get in this form unless asked otherwise.
    pub const fn default_suite(self) -> Suite {
        match self {
            Self::Classical => Suite::EcdsaP256,
            Self::MlDsa => Suite::MlDsa65,
            Self::Composite => Suite::MlDsa65EcdsaP256,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A form name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown form {0:?}; known: {known}", known = Form::ALL.map(Form::name).join(", "))]
pub struct UnknownForm(pub String);

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|form| form.name() == name)
            .ok_or_else(|| UnknownForm(name.to_owned()))
    }
}

/// What issues: a set of authorities that replace each other over time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Family {
    /// X.509 authorities with classical keys.
    Classical,
    /// X.509 authorities with ML-DSA keys.
    MlDsa,
    /// X.509 authorities with composite keys.
    Composite,
    /// Keys that sign JWT-SVIDs.
    Jwt,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Classical, Self::MlDsa, Self::Composite, Self::Jwt];

    /// The name used in key labels, the journal and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::MlDsa => "ml-dsa",
            Self::Composite => "composite",
            Self::Jwt => "jwt",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A family name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown family {0:?}; known: {known}", known = Family::ALL.map(Family::name).join(", "))]
pub struct UnknownFamily(pub String);

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|family| family.name() == name)
            .ok_or_else(|| UnknownFamily(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use der::{Decode, Encode};
    use spki::AlgorithmIdentifierRef;

    use super::*;

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
        for form in Form::ALL {
            assert_eq!(form.name().parse(), Ok(form));
        }
        for family in Family::ALL {
            assert_eq!(family.name().parse(), Ok(family));
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
            assert!(first.is_ml_dsa() && !second.is_ml_dsa(), "{suite}");
            assert_eq!(suite.form(), Form::Composite);
        }
    }
}
