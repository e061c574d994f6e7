//! What a held key must do.

use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError};

use super::mu::mu;
use super::scratch::{Scratch, Subject, label};
use super::{CheckResult, ensure, not_offered, passed, while_};

pub(super) const GENERATE: &str = "generates a key as asked";

type KeyCheck = fn(&Subject) -> CheckResult;

/// The checks that need one key and nothing else.
pub(super) const CHECKS: [(&str, KeyCheck); 4] = [
    ("signs messages of any length", signs),
    ("honours the ML-DSA context", honours_context),
    ("signs a precomputed mu", signs_mu),
    ("signs from many threads at once", signs_concurrently),
];

/// Makes the key that the other checks use.
pub(super) fn generate(scratch: &mut Scratch<'_>, component: Component) -> Result<Subject, String> {
    let subject = scratch.generate(component)?;
    let Subject { info, key } = &subject;
    ensure(
        info.component == component,
        format!("the key is said to be {}", info.component),
    )?;
    ensure(
        info.label == label(component)?,
        format!("the label became {}", info.label),
    )?;
    ensure(
        key.component() == component && info.public_key.component() == component,
        "the handle and its public key disagree about the component",
    )?;
    ensure(
        *key.public_key() == info.public_key,
        "the handle has another public key than was reported",
    )?;
    PublicKey::parse(component, info.public_key.as_bytes())
        .map_err(|e| while_("reading the public key")(&e))?;
    Ok(subject)
}

/// Empty, short, just over a block of every hash, and larger than tokens take at once.
fn signs(subject: &Subject) -> CheckResult {
    for len in [0, 1, 137, 64 * 1024] {
        let message = vec![0x5a; len];
        let signature = sign(&*subject.key, &message, MlDsaContext::EMPTY)?;
        let most = subject.info.component.max_signature_len();
        ensure(
            signature.len() <= most,
            format!("a signature has {} bytes", signature.len()),
        )?;
        verify(subject, &message, &signature, MlDsaContext::EMPTY)
            .map_err(|problem| format!("{problem} ({len} bytes)"))?;
        let other = [&message[..], b"."].concat();
        ensure(
            verify(subject, &other, &signature, MlDsaContext::EMPTY).is_err(),
            "a signature verifies over another message",
        )?;
    }
    passed()
}

/// An ML-DSA signature is good under its own context alone; other components ignore the context.
fn honours_context(subject: &Subject) -> CheckResult {
    let longest = [0xc5; 255];
    let contexts: [&[u8]; 4] = [b"", b"\0", b"COMPSIG-MLDSA65-ECDSA-P256-SHA512", &longest];
    let contexts = contexts
        .into_iter()
        .map(MlDsaContext::new)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| while_("making a context")(&e))?;
    for &signed in &contexts {
        let signature = sign(&*subject.key, b"message", signed)?;
        for &checked in &contexts {
            let good = verify(subject, b"message", &signature, checked).is_ok();
            let due = signed == checked || !subject.info.component.is_ml_dsa();
            let (signed, checked) = (signed.as_bytes().len(), checked.as_bytes().len());
            ensure(
                good == due,
                format!(
                    "a signature made under a context of {signed} bytes is {} under one of {checked} bytes",
                    if good { "accepted" } else { "refused" }
                ),
            )?;
        }
    }
    passed()
}

/// Where a backend takes μ, the signature must be the one over the message that μ was computed from.
fn signs_mu(subject: &Subject) -> CheckResult {
    let context = MlDsaContext::new(b"a context").map_err(|e| while_("making a context")(&e))?;
    let mu = mu(&subject.info.public_key, b"message", context);
    let ml_dsa = subject.info.component.is_ml_dsa();
    match subject.key.sign_mu(&mu) {
        Ok(_) if !ml_dsa => Err("a component without a mu signed one".to_owned()),
        Ok(signature) => {
            verify(subject, b"message", &signature, context)?;
            subject
                .info
                .public_key
                .verify_mu(&mu, &signature)
                .map_err(|e| while_("verifying over the mu itself")(&e))?;
            passed()
        }
        Err(SignError::Unsupported { .. }) if ml_dsa => not_offered("the store signs whole messages only"),
        Err(SignError::Unsupported { .. }) => not_offered("only ML-DSA has a mu"),
        Err(error) => Err(while_("signing a mu")(&error)),
    }
}

const THREADS: u8 = 8;
const SIGNATURES_EACH: u8 = 4;

fn signs_concurrently(subject: &Subject) -> CheckResult {
    let work = |thread: u8| {
        for round in 0..SIGNATURES_EACH {
            let message = [thread, round];
            let signature = sign(&*subject.key, &message, MlDsaContext::EMPTY)?;
            verify(subject, &message, &signature, MlDsaContext::EMPTY)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread panicked".to_owned()))
        })
    })?;
    passed()
}

/// Signs, with the problem in words.
pub(super) fn sign(key: &dyn HeldKey, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, String> {
    key.sign(message, context).map_err(|e| while_("signing")(&e))
}

/// Verifies under the public key that was reported when the key was made.
pub(super) fn verify(
    subject: &Subject,
    message: &[u8],
    signature: &[u8],
    context: MlDsaContext<'_>,
) -> Result<(), String> {
    subject
        .info
        .public_key
        .verify(message, signature, context)
        .map_err(|e| while_("verifying")(&e))
}
