//! Whom to trust: bundles and their documents, chains, tokens.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

mod accepted;
mod bad_documents;
mod catalyst;
mod constraints;
mod crls;
mod documents;
mod jwt;
mod lists;
mod p521;
mod policy;
mod profiles;
mod revocation;
mod rules;
mod signatures;
mod support;
mod tokens;
mod verify_only;
mod webpki_oracle;
mod wit;
