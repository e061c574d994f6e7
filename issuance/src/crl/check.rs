//! A list before it is signed: held against the rules for lists, and read anew and compared with what was asked for.

use symbolon_pki::crl::{Crl, CrlScope};

use super::encode::{list, whole_second};
use super::{Asked, CrlError};
use crate::authority::Authority;
use crate::lint;

pub(super) fn check(tbs: &[u8], authority: &Authority, asked: &Asked) -> Result<(), CrlError> {
    lint::check_crl(tbs)?;
    // The verifier's reader, which knows nothing of how lists are written, takes signed lists: any signature will do.
    // Of a catalyst list it wants both, and the alternative one comes when it is signed.
    let tbs = match authority.alternative() {
        None => tbs.to_vec(),
        Some(_) => symbolon_pki::catalyst::append_crl_signature(tbs, &[0])
            .map_err(|error| CrlError::Encoding(error.to_string()))?,
    };
    let algorithm = authority.suite().signature_algorithm_der();
    let read = Crl::from_der(&list(&tbs, algorithm, &[0]))
        .map_err(|error| CrlError::NotAsAsked(error.to_string()))?;
    compare(&read, asked)
}

/// Whether a list says what it was asked to, neither less nor more.
pub(super) fn compare(read: &Crl, asked: &Asked) -> Result<(), CrlError> {
    let holds = [
        (read.issuer_der() == asked.issuer, "the issuer"),
        (
            read.akid_bytes() == asked.authority_id.as_bytes(),
            "the authority key identifier",
        ),
        (read.number_decimal() == asked.number.to_string(), "the number"),
        (read.this_update() == asked.this_update, "the time of this update"),
        (
            read.next_update() == asked.next_update,
            "the time of the next update",
        ),
        (read.scope() == CrlScope::All, "the scope"),
        (
            read.entries().len() == asked.revoked.len(),
            "the number of certificates",
        ),
    ];
    if let Some((_, what)) = holds.into_iter().find(|(holds, _)| !holds) {
        return Err(CrlError::NotAsAsked(format!("{what} is another")));
    }
    for (found, asked) in read.entries().iter().zip(&asked.revoked) {
        let same = *found.serial == *asked.serial.content()
            && found.revoked_at == whole_second(asked.at)
            && found.reason == asked.reason
            && found.invalid_since == asked.invalid_since.map(whole_second);
        if !same {
            return Err(CrlError::NotAsAsked(format!(
                "the entry for certificate {} is another",
                asked.serial
            )));
        }
    }
    Ok(())
}
