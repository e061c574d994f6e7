//! One lint, one signature.

use symbolon_issuance::{Authority, Linted};

fn sign(linted: Linted, authority: &Authority) {
    let _ = linted.sign(authority);
    let _ = linted.sign(authority);
}

fn clone(linted: &Linted) -> Linted {
    linted.clone()
}

fn main() {}
