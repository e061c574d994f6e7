//! Every component's key generation, signature and verification; RustCrypto's ML-DSA beside aws-lc's.

#![allow(clippy::unwrap_used, reason = "a bench that cannot run has to end")]

use criterion::{Criterion, criterion_group, criterion_main};
use ml_dsa::{KeyInit, Keypair};
use symbolon_crypto::{Component, HeldKey, MlDsaContext, SoftwareKey, digest};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;

/// As long as the signed part of an ML-DSA-65 certificate.
const MESSAGE: &[u8] = &[0x42; 2300];

fn components(c: &mut Criterion) {
    for component in Component::DEFAULTS {
        let key = SoftwareKey::generate(component).unwrap();
        let signature = key.sign(MESSAGE, MlDsaContext::EMPTY).unwrap();
        let mut group = c.benchmark_group(component.name());
        group.bench_function("generate", |b| {
            b.iter(|| SoftwareKey::generate(component).unwrap());
        });
        group.bench_function("sign", |b| {
            b.iter(|| key.sign(MESSAGE, MlDsaContext::EMPTY).unwrap());
        });
        group.bench_function("verify", |b| {
            b.iter(|| {
                key.public_key()
                    .verify(MESSAGE, &signature, MlDsaContext::EMPTY)
                    .unwrap();
            });
        });
        group.finish();
    }
}

fn composites(c: &mut Criterion) {
    for suite in Suite::DEFAULTS.into_iter().filter(|suite| suite.is_composite()) {
        let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
        let signature = signer.sign(MESSAGE).unwrap();
        let mut group = c.benchmark_group(suite.name());
        group.bench_function("generate", |b| b.iter(|| PrivateKey::generate(suite).unwrap()));
        group.bench_function("sign", |b| b.iter(|| signer.sign(MESSAGE).unwrap()));
        group.bench_function("verify", |b| {
            b.iter(|| signer.public_key().verify(MESSAGE, &signature).unwrap());
        });
        group.finish();
    }
}

fn second_opinion(c: &mut Criterion) {
    let key = ml_dsa::SigningKey::<ml_dsa::MlDsa65>::new(&[7; 32].into());
    let verifying = key.verifying_key();
    let signature = key.expanded_key().sign_deterministic(MESSAGE, &[]).unwrap();
    let mut group = c.benchmark_group("rustcrypto-ml-dsa-65");
    group.bench_function("sign", |b| {
        b.iter(|| key.expanded_key().sign_deterministic(MESSAGE, &[]).unwrap());
    });
    group.bench_function("verify", |b| {
        b.iter(|| assert!(verifying.verify_with_context(MESSAGE, &[], &signature)));
    });
    group.finish();
}

fn hashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("sha2");
    group.bench_function("sha256 of 2300 bytes", |b| b.iter(|| digest::sha256(MESSAGE)));
    group.bench_function("sha512 of 2300 bytes", |b| b.iter(|| digest::sha512(MESSAGE)));
    group.finish();
}

criterion_group!(benches, components, composites, second_opinion, hashes);
criterion_main!(benches);
