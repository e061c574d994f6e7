//! From a tree of files to a migration that can be shown to have happened.
//!
//! Scanners look at files, configuration, source, endpoints and tokens and tell what cryptography they see. What
//! they tell becomes one [`inventory`], with evidence for everything in it and with what could *not* be read as
//! entries of their own, and is written and read as a CycloneDX CBOM ([`cbom`]).
//!
//! This crate must not know how keys are used to sign or decrypt: it names algorithms by their identifiers, and
//! computes nothing with them but the public half of a private key, which tells which key it is. It writes nothing but what its caller asks for,
//! contacts nothing that was not named, and no secret's value ever enters an inventory.

pub mod algorithm;
pub mod cbom;
pub mod config;
pub mod endpoints;
pub mod files;
pub mod inventory;
pub mod issued;
pub mod report;
pub mod risk;
pub mod roadmap;
pub mod scan;
pub mod source;
pub mod tokens;
