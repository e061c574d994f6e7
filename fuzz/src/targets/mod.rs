//! The targets, by what they read.

mod attestation;
mod configuration;
mod custody;
mod declarations;
mod der;
mod jose;
mod keys;
mod outside;
mod path;
mod planner;
mod wire;
mod x509;

use crate::Target;

/// Every target.
pub const TARGETS: &[Target] = &[
    x509::CERTIFICATE,
    x509::CHAIN,
    x509::REQUEST,
    x509::REQUEST_INFO,
    x509::CRL,
    x509::CRL_INFO,
    x509::DESCRIBE,
    x509::PEM,
    x509::LINT,
    x509::LINTER,
    path::PATH,
    path::SIGNED_PATH,
    keys::SPKI,
    keys::PKCS8,
    keys::PUBLIC_KEY,
    keys::SIGNATURE,
    keys::ALGORITHM,
    jose::JWT,
    jose::CLAIMS,
    jose::BUNDLE,
    jose::JWT_BUNDLE,
    wire::MESSAGES,
    wire::FORMS,
    wire::NAMES,
    wire::KEY_SHARE,
    attestation::X509POP,
    attestation::TPM,
    attestation::DEVICE,
    attestation::STRUCTURES,
    attestation::TEMPLATE,
    outside::HTTP_CHALLENGE,
    outside::SSHPOP,
    outside::SSH_KEYS,
    outside::K8S_PSAT,
    outside::CLOUD_TOKENS,
    outside::AWS_IID,
    custody::EVIDENCE,
    custody::STATEMENT,
    custody::CERTIFICATION,
    custody::TRANSCRIPT,
    custody::LOCATION,
    configuration::SERVER,
    configuration::AGENT,
    configuration::CEREMONY,
    configuration::PLANNER,
    configuration::ALGORITHMS,
    declarations::DECLARATIONS,
    planner::FILES,
    planner::CONFIGURATION,
    planner::SOURCE,
    planner::CBOM,
    planner::RECORDS,
];
