//! The key ceremony: a root is made offline, by several people, from one file, and anybody can verify how.
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | the file that declares a ceremony |
//! | [`run`], [`sign`] | making a root, and signing intermediates with it later |
//! | [`conductor`] | who leads through it: a person at a terminal, a test |
//! | [`event`] | what a transcript is made of, to the byte |
//! | [`audit`] | verifying a transcript, with nothing but the root's certificate |
//! | [`share`] | custodians' shares of the secret that opens the root's software keys |
//!
//! No server, no network: a directory, and the stores that the file names. A root's key is in a store that a secret in
//! shares opens, on tokens whose PINs custodians enter, or half in each.

pub mod audit;
pub mod conductor;
mod error;
pub mod event;
mod gf256;
mod layout;
pub mod plan;
mod plan_file;
pub mod policy;
pub mod quorum;
mod requests;
mod root;
pub mod run;
mod scratch;
mod session;
mod shamir;
pub mod share;
pub mod sign;
mod stores;
mod transcript;

pub use self::audit::{Audit, AuditError, audit, audit_dir, audit_file};
pub use self::conductor::{Conductor, Declined, SecretKind, SecretWanted};
pub use self::error::CeremonyError;
pub use self::plan::{Name, Plan, PlanError, TEMPLATE};
pub use self::quorum::secrets;
pub use self::requests::CsrFile;
pub use self::run::{Outcome, RunRequest, run};
pub use self::share::ShareError;
pub use self::sign::{SignRequest, export, plan_of, root_of, sign};
pub use self::transcript::TranscriptError;
