//! What the targets of X.509 begin with.

use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

use super::der;
use crate::estate::{self, chain, chains};
use crate::rare;

pub(super) fn crls() -> Vec<Vec<u8>> {
    let ours = chains()
        .iter()
        .map(|chain| der::signed(&chain.tbs_crl(), &estate::signer(chain.suite, 2)));
    ours.chain(rare::crls()).collect()
}

pub(super) fn requests() -> Vec<Vec<u8>> {
    let alone = chains().iter().map(|chain| chain.csr.clone());
    alone
        .chain([estate::paired_csr()])
        .chain(rare::requests())
        .collect()
}

/// What requests say: one of ours, and those of stock software.
pub(super) fn request_infos() -> Vec<Vec<u8>> {
    let ours = [chain(Suite::EcdsaP256).csr.clone()].into_iter();
    ours.chain(rare::stock_requests())
        .map(|request| der::to_be_signed(&request))
        .collect()
}

pub(in crate::targets) fn certificates() -> Vec<Vec<u8>> {
    let ours = chains().iter().flat_map(|chain| chain.certificates());
    ours.chain(rare::certificates()).collect()
}

pub(super) fn descriptions() -> Vec<Vec<u8>> {
    let mut bundle = estate::bundle();
    bundle.x509_authorities.truncate(2);
    let mut seeds = certificates();
    seeds.extend(chains().iter().map(|chain| chain.csr.clone()));
    seeds.extend(chains().iter().map(|chain| chain.spki.clone()));
    seeds.extend(rare::requests());
    seeds.extend(rare::public_keys());
    seeds.extend(rare::crls());
    seeds.extend(pems());
    seeds.push(bundle.to_jwks().into_bytes());
    seeds.extend(crate::targets::jose::tokens());
    seeds
}

pub(super) fn pems() -> Vec<Vec<u8>> {
    let ours = chains().iter().flat_map(|chain| {
        let key = crate::targets::keys::private_key(chain.suite);
        let [leaf, below, _] = chain.certificates();
        [
            [
                pem::encode("CERTIFICATE", &leaf).as_bytes(),
                pem::encode("CERTIFICATE", &below).as_bytes(),
                pem::encode("PRIVATE KEY", &key).as_bytes(),
            ]
            .concat(),
            pem::encode("CERTIFICATE REQUEST", &chain.csr).as_bytes().to_vec(),
        ]
    });
    let keys = rare::private_keys()
        .into_iter()
        .map(|key| pem::encode("PRIVATE KEY", &key).as_bytes().to_vec());
    let others = rare::certificates()
        .into_iter()
        .map(|der| pem::encode("CERTIFICATE", &der).as_bytes().to_vec());
    ours.chain(keys).chain(others).collect()
}
