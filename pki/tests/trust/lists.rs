//! Makes revocation lists, right ones and wrong ones.

use std::time::SystemTime;

use der::Encode;
use symbolon_pki::crl::Crl;
use symbolon_pki::encode::whole;
use x509_cert::time::Time;

use crate::support::{Ca, HOUR, now, sequence};

pub(crate) const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
pub(crate) const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
pub(crate) const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 24];
pub(crate) const DELTA_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
pub(crate) const DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
pub(crate) const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
pub(crate) const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];

/// A list before it is signed, in which a test may change anything. Parts are in DER.
#[derive(Clone)]
pub(crate) struct ListDraft {
    pub(crate) version: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) this_update: Vec<u8>,
    pub(crate) next_update: Vec<u8>,
    /// `None` leaves the list out.
    pub(crate) entries: Option<Vec<Vec<u8>>>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl ListDraft {
    /// A good list of `ca` without entries, number 7, made an hour ago and due in an hour.
    pub(crate) fn of(ca: &Ca) -> Self {
        let key_id = whole(0x30, &[&whole(0x80, &[ca.certificate.skid_bytes().unwrap()])]);
        Self {
            version: vec![2, 1, 1],
            algorithm: ca.signer.suite().signature_algorithm_der().to_vec(),
            issuer: ca.certificate.subject_der().to_vec(),
            this_update: time(now() - HOUR),
            next_update: time(now() + HOUR),
            entries: None,
            extensions: vec![
                extension(AUTHORITY_KEY, false, &key_id),
                extension(CRL_NUMBER, false, &[2, 1, 7]),
            ],
        }
    }

    pub(crate) fn revoke(mut self, serial: &[u8], extensions: &[Vec<u8>]) -> Self {
        let entry = entry(serial, extensions);
        self.entries.get_or_insert_default().push(entry);
        self
    }

    pub(crate) fn number(mut self, number: &[u8]) -> Self {
        self.replace(CRL_NUMBER, Some(&whole(2, &[number])));
        self
    }

    /// Puts another content in the place of the extension's, or takes it out.
    pub(crate) fn replace(&mut self, oid: &[u8], value: Option<&[u8]>) {
        let prefix = whole(6, &[oid]);
        self.extensions
            .retain(|extension| !extension.windows(prefix.len()).any(|part| part == prefix));
        if let Some(value) = value {
            self.extensions.push(extension(oid, false, value));
        }
    }

    pub(crate) fn tbs(&self) -> Vec<u8> {
        let entries = self
            .entries
            .as_ref()
            .map(|entries| sequence(&entries.concat()))
            .unwrap_or_default();
        let extensions = if self.extensions.is_empty() {
            Vec::new()
        } else {
            whole(0xa0, &[&sequence(&self.extensions.concat())])
        };
        sequence(
            &[
                &self.version[..],
                &self.algorithm,
                &self.issuer,
                &self.this_update,
                &self.next_update,
                &entries,
                &extensions,
            ]
            .concat(),
        )
    }

    pub(crate) fn der(&self, ca: &Ca) -> Vec<u8> {
        let tbs = self.tbs();
        let signature = ca.signer.sign(&tbs).unwrap();
        let algorithm = ca.signer.suite().signature_algorithm_der();
        whole(0x30, &[&tbs, algorithm, &whole(3, &[&[0], &signature])])
    }

    pub(crate) fn sign(&self, ca: &Ca) -> Crl {
        Crl::from_der(&self.der(ca)).unwrap()
    }
}

pub(crate) fn entry(serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = if extensions.is_empty() {
        Vec::new()
    } else {
        sequence(&extensions.concat())
    };
    whole(
        0x30,
        &[&whole(2, &[serial]), &time(now() - HOUR / 2), &extensions],
    )
}

pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    whole(0x30, &[&whole(6, &[oid]), critical, &whole(4, &[value])])
}

pub(crate) fn reason(code: u8) -> Vec<u8> {
    extension(REASON_CODE, false, &[0x0a, 1, code])
}

pub(crate) fn time(at: SystemTime) -> Vec<u8> {
    Time::try_from(at).unwrap().to_der().unwrap()
}
