//! Signatures on plain messages, with a context: what peers verify of ours, and make for us to verify.
//!
//! A case is a folder with the files `algorithm` (our name of the component), `message` and `context`, and, from
//! whoever signs, `public` (the raw key) and `signature`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, PublicKey, SoftwareKey};
use tempfile::TempDir;

use crate::cells::Peer;
use crate::programs;

/// The contexts that are tried: none, a short one, and the longest that there can be.
pub const CONTEXTS: [&[u8]; 3] = [b"", b"a context", &[0xC7; 255]];

/// No context at all, for peers and algorithms that have none.
pub const NO_CONTEXT: [&[u8]; 1] = [b""];

const MESSAGE: &[u8] = b"what is signed\0 is not text\xFF";

/// Some cases, in a folder that goes with them.
#[derive(Debug)]
pub struct Cases {
    folder: TempDir,
    /// One for each folder.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// What signs.
    pub component: Component,
    /// Whether the signature is one.
    pub is_genuine: bool,
}

/// A peer of whom nothing but signatures is wanted: its commands for some folders, and who it is.
pub struct Signer<'a> {
    /// Who it is, for the cells.
    pub peer: &'a Peer,
    /// The program that says of each folder, by its name, whether its signature is its key's.
    pub verify: &'a dyn Fn() -> Command,
    /// The program that signs what is in each folder.
    pub sign: &'a dyn Fn() -> Command,
}

impl Signer<'_> {
    /// Has signatures exchanged, both ways and with each context; then records a cell of each component and direction.
    /// `variant` follows the direction's name.
    ///
    /// # Errors
    /// At the first case that one side takes for what it is not, or if a program fails.
    pub fn exchange(&self, components: &[Component], contexts: &[&[u8]], variant: &str) -> Result<()> {
        let ours = Cases::ours(components, contexts)?;
        let said = programs::json((self.verify)().args(ours.folders()))?;
        for Case { name, is_genuine, .. } in &ours.cases {
            ensure!(said[name] == *is_genuine, "ours, {name}: {}", said[name]);
        }
        let theirs = Cases::theirs(components, contexts)?;
        for (case, folder) in theirs.cases.iter().zip(theirs.folders()) {
            // One at a time: some take long to sign.
            let said = programs::json((self.sign)().arg(folder))?;
            let verified = theirs
                .verified(case)
                .with_context(|| format!("theirs, {}: {said}", case.name))?;
            ensure!(verified == (true, false), "theirs, {}: {verified:?}", case.name);
        }
        for component in components {
            for direction in ["our-signature", "their-signature"] {
                let (direction, form) = (format!("{direction}{variant}"), format!("ml-dsa/{component}"));
                self.peer.shows(&direction, &form, "ok")?;
            }
        }
        Ok(())
    }
}

/// The parameter sets of ML-DSA.
pub const ML_DSA: [Component; 3] = [Component::MlDsa44, Component::MlDsa65, Component::MlDsa87];

/// The parameter sets of SLH-DSA whose names end so: `f` for fast, `s` for small.
pub fn slh_dsa(end: &str) -> Vec<Component> {
    let is_wanted = |component: &Component| {
        let name = component.name();
        name.starts_with("slh-dsa-") && name.ends_with(end)
    };
    Component::ALL.into_iter().filter(is_wanted).collect()
}

impl Cases {
    /// Signatures of ours: for each component and context a genuine one, one with a bit turned, and one to be read
    /// with another context or, where there are none, another message.
    ///
    /// # Errors
    /// If a key cannot be made or used, or a file not be written.
    pub fn ours(components: &[Component], contexts: &[&[u8]]) -> Result<Self> {
        let mut cases = Self::none()?;
        for &component in components {
            let key = SoftwareKey::generate(component)?;
            for (number, &context) in contexts.iter().enumerate() {
                let genuine = key.sign(MESSAGE, MlDsaContext::new(context)?)?;
                let mut turned = genuine.clone();
                if let Some(byte) = turned.get_mut(100) {
                    *byte ^= 1;
                }
                let other: (&[u8], &[u8]) = match contexts.len() {
                    1 => (b"another message", context),
                    _ => (MESSAGE, b"another context"),
                };
                for (kind, is_genuine, signature, (message, context)) in [
                    ("genuine", true, &genuine, (MESSAGE, context)),
                    ("turned", false, &turned, (MESSAGE, context)),
                    ("other", false, &genuine, other),
                ] {
                    let name = format!("{component}-{number}-{kind}");
                    cases.add(name.clone(), component, is_genuine, message, context)?;
                    cases.write(&name, "public", key.public_key().as_bytes())?;
                    cases.write(&name, "signature", signature)?;
                }
            }
        }
        Ok(cases)
    }

    /// Cases for the peer to sign, with a key of its own each.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn theirs(components: &[Component], contexts: &[&[u8]]) -> Result<Self> {
        let mut cases = Self::none()?;
        for &component in components {
            for (number, context) in contexts.iter().enumerate() {
                let name = format!("{component}-{number}");
                cases.add(name, component, true, MESSAGE, context)?;
            }
        }
        Ok(cases)
    }

    /// The folders of the cases: the arguments of peers' programs.
    pub fn folders(&self) -> Vec<PathBuf> {
        let folder = |case: &Case| self.folder.path().join(&case.name);
        self.cases.iter().map(folder).collect()
    }

    /// What we make of a case's signature as it is, and of the same with a bit turned.
    ///
    /// # Errors
    /// If a file is not there, or the key is none.
    pub fn verified(&self, case: &Case) -> Result<(bool, bool)> {
        let read = |file: &str| {
            let path = self.folder.path().join(&case.name).join(file);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let key = PublicKey::parse(case.component, &read("public")?)?;
        let (message, context, mut signature) = (read("message")?, read("context")?, read("signature")?);
        let context = MlDsaContext::new(&context)?;
        let as_it_is = key.verify(&message, &signature, context).is_ok();
        if let Some(byte) = signature.last_mut() {
            *byte ^= 1;
        }
        Ok((as_it_is, key.verify(&message, &signature, context).is_ok()))
    }

    fn none() -> Result<Self> {
        Ok(Self {
            folder: TempDir::new().context("cannot make a temporary folder")?,
            cases: Vec::new(),
        })
    }

    fn add(
        &mut self,
        name: String,
        component: Component,
        is_genuine: bool,
        message: &[u8],
        context: &[u8],
    ) -> Result<()> {
        let folder = self.folder.path().join(&name);
        fs::create_dir(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        self.write(&name, "algorithm", component.name().as_bytes())?;
        self.write(&name, "message", message)?;
        self.write(&name, "context", context)?;
        self.cases.push(Case {
            name,
            component,
            is_genuine,
        });
        Ok(())
    }

    fn write(&self, case: &str, file: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.path().join(case).join(file);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }
}
