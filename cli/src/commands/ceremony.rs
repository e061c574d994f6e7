//! `symbolon ceremony`.

mod people;
mod report;
mod terminal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Serialize;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_ca::ceremony::{
    self, AuditError, CeremonyError, CsrFile, Name, Plan, RunRequest, ShareError, SignRequest,
    TranscriptError,
};
use symbolon_host::file::Pending;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::time::SystemClock;

use self::people::Invited;
use self::report::Report;
use self::terminal::Terminal;
use super::read_input;
use crate::args::Common;
use crate::args::ceremony::{Ceremony, CeremonyRun, CeremonySign};
use crate::exit::{NotVerified, Usage};
use crate::output::{Format, Show, facts};

pub(crate) fn run(common: &Common, command: Ceremony) -> Result<()> {
    match command {
        Ceremony::Template => crate::output::print(ceremony::TEMPLATE),
        Ceremony::Run(options) => make(common, &options),
        Ceremony::Sign(options) => sign(common, &options),
        Ceremony::Verify { path, root } => verify(common, &path, &root),
        Ceremony::Export { dir, root } => export(common, &dir, root.as_deref()),
        Ceremony::Request {
            trust_domain,
            suite,
            key,
            csr,
        } => request(common, &trust_domain, &suite, &key, &csr),
    }
}

fn make(common: &Common, options: &CeremonyRun) -> Result<()> {
    leave_no_image()?;
    let plan = Plan::load(&options.file).map_err(CeremonyError::from)?;
    let invited = Invited::parse(&options.people.custodian)?;
    let mut terminal = Terminal::new(common.output, options.people.yes, invited)?;
    let present = terminal.who_is_here(&plan, plan.has_shares())?;
    terminal.check_sources(&plan, &present, true)?;
    let base = symbolon_host::file::parent_of(&options.file).to_owned();
    let request = RunRequest {
        plan,
        base,
        present,
        dry_run: options.dry_run,
        clock: Arc::new(SystemClock),
    };
    let outcome = ceremony::run(&request, &mut terminal)?;
    common.output.print(&Report::of_run(&outcome))
}

fn sign(common: &Common, options: &CeremonySign) -> Result<()> {
    leave_no_image()?;
    let plan = ceremony::plan_of(&options.dir).map_err(CeremonyError::from)?;
    let invited = Invited::parse(&options.people.custodian)?;
    let requests = options
        .requests
        .iter()
        .map(|text| csr_file(text, options.lifetime.map(|lifetime| lifetime.0)))
        .collect::<Result<_>>()?;
    let mut terminal = Terminal::new(common.output, options.people.yes, invited)?;
    let present = terminal.who_is_here(&plan, false)?;
    terminal.check_sources(&plan, &present, false)?;
    let shares = shares(&options.share)?;
    if let Some(name) = shares.keys().find(|name| !present.contains(name)) {
        return Err(Usage(format!(
            "--share {name}=…: {name} is not among those who are here"
        ))
        .into());
    }
    let request = SignRequest {
        dir: options.dir.clone(),
        requests,
        present,
        shares,
        clock: Arc::new(SystemClock),
    };
    let outcome = ceremony::sign(&request, &mut terminal)?;
    common.output.print(&Report::of_run(&outcome))
}

fn verify(common: &Common, path: &Path, root: &Path) -> Result<()> {
    let root = certificate(root)?;
    let audit = if path.is_dir() {
        ceremony::audit_dir(path, &root)
    } else {
        ceremony::audit_file(path, &root)
    };
    common
        .output
        .print(&Report::of_audit(&audit.map_err(CeremonyError::from)?))
}

fn export(common: &Common, dir: &Path, root: Option<&Path>) -> Result<()> {
    let root = match root {
        Some(path) => certificate(path)?,
        None => ceremony::root_of(dir).map_err(CeremonyError::from)?,
    };
    let outcome = ceremony::export(dir, &root)?;
    common.output.print(&Report::of_run(&outcome))
}

/// The one certificate in a file.
fn certificate(path: &Path) -> Result<Certificate> {
    let input = read_input(path)?;
    let wrong = |reason: String| NotVerified(format!("{}: {reason}", path.display()));
    if !pem::looks_like_pem(&input) {
        return Certificate::from_der(&input).map_err(|error| wrong(error.to_string()).into());
    }
    let mut found = pem::certificates(&input).map_err(|error| wrong(error.to_string()))?;
    match (found.pop(), found.is_empty()) {
        (Some(certificate), true) => certificate.map_err(|error| wrong(error.to_string()).into()),
        _ => Err(wrong("it must hold one certificate, the root's".to_owned()).into()),
    }
}

/// A request and what its files are to be called.
fn csr_file(text: &str, lifetime: Option<std::time::Duration>) -> Result<CsrFile> {
    let named = text
        .split_once('=')
        .and_then(|(name, path)| Some((name.parse::<Name>().ok()?, PathBuf::from(path))));
    let (name, path) = match named {
        Some(named) => named,
        None => {
            let path = PathBuf::from(text);
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let name = stem.parse().map_err(|error| {
                Usage(format!(
                    "what shall {text:?} be called? {error}; write NAME={text}"
                ))
            })?;
            (name, path)
        }
    };
    Ok(CsrFile { name, path, lifetime })
}

fn shares(texts: &[String]) -> Result<BTreeMap<Name, PathBuf>> {
    let mut shares = BTreeMap::new();
    for text in texts {
        let wrong = || Usage(format!("--share {text:?} is not NAME=FILE"));
        let (name, path) = text.split_once('=').ok_or_else(wrong)?;
        let name = name.parse().map_err(|_| wrong())?;
        if shares.insert(name, PathBuf::from(path)).is_some() {
            return Err(Usage(format!("--share {text:?}: it is said twice where this share is")).into());
        }
    }
    Ok(shares)
}

/// A key and a request that were made to rehearse with.
#[derive(Serialize)]
struct Requested {
    suite: String,
    spiffe_id: String,
    key: PathBuf,
    csr: PathBuf,
}

impl Show for Requested {
    fn text(&self) -> String {
        facts(&[
            ("suite", self.suite.clone()),
            ("for", self.spiffe_id.clone()),
            ("key", self.key.display().to_string()),
            ("request", self.csr.display().to_string()),
        ])
    }
}

fn request(common: &Common, trust_domain: &str, suite: &str, key_file: &Path, csr_file: &Path) -> Result<()> {
    let suite = suite
        .parse()
        .map_err(|error| Usage(format!("--suite: {error}")))?;
    let domain: TrustDomain = trust_domain
        .parse()
        .map_err(|error| Usage(format!("{trust_domain:?} is no trust domain: {error}")))?;
    let spiffe_id = SpiffeId::from_segments(domain, &[])?;
    let key = PrivateKey::generate(suite)?;
    let csr = CsrBuilder::new(&key.signer()?).spiffe_id(&spiffe_id).build()?;
    let private = pem::encode_private_key(&key)?;
    let csr = pem::encode(pem::CERTIFICATE_REQUEST, &csr);
    // Both or neither: a key without its request is in the way of the next try.
    let (key, request) = (pending(key_file, 0o600)?, pending(csr_file, 0o644)?);
    let failed = |path: &Path| format!("cannot write {}", path.display());
    key.commit(private.as_bytes()).with_context(|| failed(key_file))?;
    request.commit(csr.as_bytes()).with_context(|| failed(csr_file))?;
    common.output.print(&Requested {
        suite: suite.to_string(),
        spiffe_id: spiffe_id.to_string(),
        key: key_file.to_owned(),
        csr: csr_file.to_owned(),
    })
}

fn pending(path: &Path, mode: u32) -> Result<Pending> {
    Pending::of_new(path, mode)
        .with_context(|| format!("cannot write {}", path.display()))?
        .ok_or_else(|| Usage(format!("{} exists already", path.display())).into())
}

/// Sees that the system writes no image of this process to a disk, should it fail: it would have the root's secrets.
fn leave_no_image() -> Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).context("cannot turn core dumps off")
}

/// The exit code of a ceremony's error: 2 for its file, 3 for what is not to be believed, 5 for what is refused, and that of
/// the store where a store is why: 5 for a wrong PIN, 4 for a token that is away.
pub(crate) fn code(error: &CeremonyError) -> Option<u8> {
    use crate::exit::{NOT_VERIFIED, REFUSED, USAGE};
    let audited = |error: &AuditError| match error {
        AuditError::Transcript(error) => transcript_code(error),
        _ => Some(NOT_VERIFIED),
    };
    match error {
        CeremonyError::Plan(_) | CeremonyError::NothingToSign | CeremonyError::NoRequest { .. } => {
            Some(USAGE)
        }
        CeremonyError::Audit(error) => audited(error),
        CeremonyError::Transcript(error) => transcript_code(error),
        CeremonyError::Share(ShareError::Exists(_)) => Some(REFUSED),
        CeremonyError::Share(_) | CeremonyError::Unverified { .. } | CeremonyError::WrongKey { .. } => {
            Some(NOT_VERIFIED)
        }
        CeremonyError::Store { source, .. } => super::key::code(&**source),
        CeremonyError::Quorum(_)
        | CeremonyError::Request { .. }
        | CeremonyError::Clock { .. }
        | CeremonyError::Exists(_)
        | CeremonyError::Declined => Some(REFUSED),
        _ => None,
    }
}

fn transcript_code(error: &TranscriptError) -> Option<u8> {
    use crate::exit::{NOT_VERIFIED, REFUSED};
    match error {
        TranscriptError::Event { .. } | TranscriptError::TooLarge => Some(NOT_VERIFIED),
        TranscriptError::Exists(_) | TranscriptError::Locked(_) | TranscriptError::Full => Some(REFUSED),
        _ => None,
    }
}

/// Where words for people go that are not the answer: standard error, so that JSON stays clean.
fn say(output: Format, words: &str) {
    if output == Format::Table {
        anstream::eprintln!("{words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_of_the_process_is_left() {
        leave_no_image().unwrap();
        let limit = rustix::process::getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
