//! Who holds keys.
//!
//! A [`KeyStore`] makes component keys, finds them again, and hands out [`HeldKey`]s that sign. What holds a
//! key differs from store to store; what a caller may rely on does not, and [`conformance`] is that promise in
//! executable form: every backend passes the same suite.
//!
//! - [`software`]: one encrypted file a key, for those without hardware.
//! - [`pkcs11`]: keys on PKCS#11 tokens.
//! - [`tpm`]: keys in a TPM 2.0, with the cargo feature `tpm`.
//! - [`registry`]: the stores of one process by the names its configuration gives them.
//! - [`custody`]: how keys are held, and evidence of it.
//! - [`location`]: stores by URI or path, and one way to open any.
//! - [`secret`]: passphrases, and where they come from.
//! - [`sealed`]: one secret under a passphrase.
//!
//! A store deals in *component* keys alone (raw points, scalars and seeds). This crate must not know X.509,
//! PKCS#8, suites or forms, nor whose key it holds: a composite key is two keys here, perhaps in two stores.
//!
//! [`HeldKey`]: symbolon_crypto::HeldKey

pub mod conformance;
pub mod custody;
pub mod location;
pub mod names;
pub mod pkcs11;
mod private_file;
pub mod registry;
pub mod sealed;
pub mod secret;
pub mod software;
pub mod store;
mod text;
pub mod tpm;

pub use location::{KeyChoice, SoftwareLocation, StoreLocation, TpmLocation};
pub use names::{KeyId, KeyLabel, NameError, StoreName};
pub use pkcs11::{Pkcs11Config, Pkcs11Error, Pkcs11Store, Pkcs11Uri, TokenSelector};
pub use private_file::{PrivateFileError, read_private};
pub use registry::{RegistryError, Stores};
pub use sealed::{SealedError, SealedSecret};
pub use secret::{Passphrase, PassphraseError, SecretSource, SourceSyntaxError};
pub use software::{KekSource, KekSpec, SoftwareError, SoftwareStore};
pub use store::{KeyInfo, KeyStore, StoreError, Unsupported};
pub use tpm::{Authorization, PcrChange, PcrSelection, Placement, Tcti, TpmConfig, TpmError};
