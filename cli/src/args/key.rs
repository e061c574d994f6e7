//! `symbolon key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use symbolon_crypto::Component;
use symbolon_hsm::custody::Challenge;
use symbolon_hsm::{KeyLabel, location};
use symbolon_pki::suite::Suite;

const STORES: &str = "A store is a name from the server's configuration (--config), software for the one in the data \
    directory, or\n  pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE     a token (RFC 7512; pin-source also \
    env:NAME, prompt)\n  tpm:device:/dev/tpmrm0?dir=DIR&pcrs=sha256:7                  a TPM, and the directory of its \
    files;\n                                                                also deadline=SECONDS for a call\n  \
    software:DIR?key-file=FILE, or the path of a directory        encrypted files\nA key is its id, its label \
    when that is unique, or left out when a pkcs11: URI names it by id or object.";

#[derive(Debug, Subcommand)]
#[command(after_help = STORES)]
pub(crate) enum Key {
    /// Make a key in a store
    #[command(
        after_help = "Examples:\n  symbolon key generate --store hsm1 --config server.toml --algorithm ecdsa-p256 \
                      --label root\n  symbolon key generate --store 'pkcs11:token=ca?module-path=/usr/lib/softhsm/\
                      libsofthsm2.so&pin-source=prompt' --algorithm ml-dsa-65 --label root-pq"
    )]
    Generate {
        #[command(flatten)]
        store: StoreArgs,
        /// Its algorithm: ecdsa-p256, ecdsa-p384, ed25519, ml-dsa-44, ml-dsa-65 or ml-dsa-87
        #[arg(long, value_name = "NAME", value_parser = component)]
        algorithm: Component,
        /// What it is for, as people and other tools will see it
        #[arg(long, value_name = "TEXT")]
        label: KeyLabel,
    },
    /// List the keys of a store, and how each is held
    #[command(after_help = "Example:\n  symbolon key list --store ./keys --output json")]
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Show one key: what holds it, and how it says that it does
    #[command(
        after_help = "Examples:\n  symbolon key show root --store ./keys\n  symbolon key show --store \
                            'pkcs11:token=ca;object=root?module-path=…&pin-source=prompt' --pem > root.pub"
    )]
    Show {
        #[command(flatten)]
        key: KeyArgs,
        /// Print the public key alone, as PEM
        #[arg(long)]
        pem: bool,
    },
    /// Write signed evidence of how a key is held, as JSON
    #[command(
        after_help = "The auditor gives the challenge, and verifies the answer with `symbolon key \
                            verify-evidence`.\n\nExample:\n  symbolon key attest root --store hsm1 --config \
                            server.toml --challenge 7f3a91 > root.evidence.json"
    )]
    Attest {
        #[command(flatten)]
        key: KeyArgs,
        /// Text of the auditor's choosing, so that the evidence cannot be an old one
        #[arg(long, value_name = "TEXT")]
        challenge: Option<Challenge>,
    },
    /// Verify evidence that anybody made, and say what each part of it proves
    #[command(
        after_help = "Needs no store, no network and no TPM.\n\nExample:\n  symbolon key verify-evidence \
                            root.evidence.json --challenge 7f3a91 --certificate root.pem"
    )]
    VerifyEvidence {
        /// The evidence; - for standard input
        file: PathBuf,
        /// The challenge that you gave
        #[arg(long, value_name = "TEXT")]
        challenge: Option<Challenge>,
        /// The name of the TPM's attestation key that you enrolled, hexadecimal
        #[arg(long, value_name = "NAME")]
        attestation_key: Option<String>,
        /// A certificate (PEM or DER) whose key, or half of it, the evidence must be about
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
    },
    /// Destroy a key for good
    #[command(
        after_help = "A key that an authority of the data directory uses is not destroyed.\n\nExample:\n  symbolon key \
                      destroy 5f0c… --store ./keys --yes"
    )]
    Destroy {
        #[command(flatten)]
        key: KeyArgs,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Even when an authority uses it: what that has signed stays valid, and it never signs again
        #[arg(long)]
        force: bool,
    },
    /// Try everything that Symbolon needs of a store, with scratch keys that are removed afterwards
    #[command(
        after_help = "Other keys are left alone. Exit code 1 when something that the store claims does not work.\n\n\
                      Example:\n  symbolon key doctor 'pkcs11:token=ca?module-path=/usr/lib/softhsm/libsofthsm2.so&\
                      pin-source=prompt'"
    )]
    Doctor {
        /// The store: its name, or a URI or path
        #[arg(value_name = "STORE|URI")]
        store: String,
        /// The server's configuration that names it
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Remove scratch keys that an earlier run left behind; not while another one runs
        #[arg(long)]
        remove_leftovers: bool,
    },
}

/// Which store.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArgs {
    /// The store: its name, or a URI or path
    #[arg(long, value_name = "STORE|URI")]
    pub store: String,
    /// The server's configuration that names it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which key of which store.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeyArgs {
    /// The key: its id, or its label
    #[arg(value_name = "KEY")]
    pub key: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

impl KeyArgs {
    /// Which key is meant, if the command line says it beside the store.
    pub(crate) fn choice(&self) -> Option<location::KeyChoice> {
        self.key.as_deref().map(location::KeyChoice::named)
    }
}

/// A component by its own name, or by that of the suite that has it alone.
fn component(name: &str) -> Result<Component, String> {
    let by_suite = || {
        let suite = name.parse::<Suite>().ok()?;
        Component::ALL
            .into_iter()
            .find(|component| Suite::of_component(*component) == Some(suite))
    };
    name.parse().ok().or_else(by_suite).ok_or_else(|| {
        let names = Component::ALL
            .map(|component| Suite::of_component(component).map_or(component.name(), Suite::name));
        format!("a key is one of {}; a composite is two keys", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_by_either_name_and_a_composite_is_none() {
        assert_eq!(component("ecdsa-p256"), Ok(Component::EcdsaP256Sha256));
        assert_eq!(component("ecdsa-p256-sha256"), Ok(Component::EcdsaP256Sha256));
        assert_eq!(component("ml-dsa-87"), Ok(Component::MlDsa87));
        let error = component("mldsa65-ecdsa-p256").expect_err("two keys");
        assert!(error.contains("two keys") && error.contains("ed25519"), "{error}");
    }
}
