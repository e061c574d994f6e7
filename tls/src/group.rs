//! SecP384r1MLKEM1024 (RFC 10024, code point 0x11ED), the group that rustls lacks.
//!
//! Both shares and the secret put the elliptic curve first:
//! client share = P-384 point (97) ‖ ML-KEM-1024 encapsulation key (1568);
//! server share = P-384 point (97) ‖ ML-KEM-1024 ciphertext (1568);
//! secret = P-384 x-coordinate (48) ‖ ML-KEM secret (32).

use aws_lc_rs::agreement::{self, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::kem::{self, DecapsulationKey, EncapsulationKey, ML_KEM_1024};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::Zeroizing;

/// The group's TLS code point (RFC 10024, IANA "TLS Supported Groups").
pub const SECP384R1MLKEM1024_CODE: u16 = 0x11ED;

/// SecP384r1MLKEM1024 as a rustls key-exchange group.
pub static SECP384R1MLKEM1024: &dyn SupportedKxGroup = &SecP384r1MlKem1024;

const POINT_LEN: usize = 97;
const ENCAPSULATION_KEY_LEN: usize = 1568;
const CIPHERTEXT_LEN: usize = 1568;
const SECRET_LEN: usize = 48 + 32;
const UNCOMPRESSED_POINT: u8 = 0x04;

const INVALID_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

#[derive(Debug)]
struct SecP384r1MlKem1024;

impl SupportedKxGroup for SecP384r1MlKem1024 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let curve = EphemeralPrivateKey::generate(&ECDH_P384, &SystemRandom::new()).map_err(own_fault)?;
        let lattice = DecapsulationKey::generate(&ML_KEM_1024).map_err(own_fault)?;
        let mut share = Vec::with_capacity(POINT_LEN + ENCAPSULATION_KEY_LEN);
        share.extend_from_slice(curve.compute_public_key().map_err(own_fault)?.as_ref());
        let encapsulation_key = lattice.encapsulation_key().map_err(own_fault)?;
        share.extend_from_slice(encapsulation_key.key_bytes().map_err(own_fault)?.as_ref());
        Ok(Box::new(Started {
            curve,
            lattice,
            share,
        }))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (peer_point, encapsulation_key) = split(client_share, ENCAPSULATION_KEY_LEN)?;
        let encapsulation_key =
            EncapsulationKey::new(&ML_KEM_1024, encapsulation_key).map_err(|_| INVALID_SHARE)?;
        let (ciphertext, lattice_secret) = encapsulation_key.encapsulate().map_err(|_| INVALID_SHARE)?;

        let curve = EphemeralPrivateKey::generate(&ECDH_P384, &SystemRandom::new()).map_err(own_fault)?;
        let mut share = Vec::with_capacity(POINT_LEN + CIPHERTEXT_LEN);
        share.extend_from_slice(curve.compute_public_key().map_err(own_fault)?.as_ref());
        share.extend_from_slice(ciphertext.as_ref());

        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: share,
            secret: combine(curve, peer_point, &lattice_secret)?,
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::from(SECP384R1MLKEM1024_CODE)
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client's half of an exchange, waiting for the server's share.
///
/// The classical half is not offered as a share of its own (`hybrid_component`): SPIFFE clients never take it.
struct Started {
    curve: EphemeralPrivateKey,
    lattice: DecapsulationKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (peer_point, ciphertext) = split(server_share, CIPHERTEXT_LEN)?;
        let lattice_secret = self
            .lattice
            .decapsulate(ciphertext.into())
            .map_err(|_| INVALID_SHARE)?;
        combine(self.curve, peer_point, &lattice_secret)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::from(SECP384R1MLKEM1024_CODE)
    }
}

/// The point and the ML-KEM part of a share, whose length must be exact.
fn split(share: &[u8], lattice_len: usize) -> Result<(&[u8], &[u8]), Error> {
    let (point, lattice) = share.split_at_checked(POINT_LEN).ok_or(INVALID_SHARE)?;
    // aws-lc also reads compressed points and whole SPKIs; TLS 1.3 knows the uncompressed point alone.
    if lattice.len() != lattice_len || point.first() != Some(&UNCOMPRESSED_POINT) {
        return Err(INVALID_SHARE);
    }
    Ok((point, lattice))
}

fn combine(
    curve: EphemeralPrivateKey,
    peer_point: &[u8],
    lattice_secret: &kem::SharedSecret,
) -> Result<SharedSecret, Error> {
    let peer = UnparsedPublicKey::new(&ECDH_P384, peer_point);
    agreement::agree_ephemeral(curve, peer, INVALID_SHARE, |curve_secret| {
        let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_LEN));
        secret.extend_from_slice(curve_secret);
        secret.extend_from_slice(lattice_secret.as_ref());
        Ok(SharedSecret::from(secret.as_slice()))
    })
}

/// A failure of our own random source or library, never the peer's doing.
fn own_fault(_: aws_lc_rs::error::Unspecified) -> Error {
    Error::General("key generation for SecP384r1MLKEM1024 failed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_reach_one_secret() {
        let client = SECP384R1MLKEM1024.start().unwrap();
        assert_eq!(client.pub_key().len(), 1665);
        let server = SECP384R1MLKEM1024.start_and_complete(client.pub_key()).unwrap();
        assert_eq!(server.pub_key.len(), 1665);
        assert_eq!(u16::from(server.group), 0x11ED);
        let secret = client.complete(&server.pub_key).unwrap();
        assert_eq!(secret.secret_bytes().len(), 80);
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn the_secret_is_curve_then_lattice() {
        let curve_a = EphemeralPrivateKey::generate(&ECDH_P384, &SystemRandom::new()).unwrap();
        let lattice = DecapsulationKey::generate(&ML_KEM_1024).unwrap();
        let client_share = [
            curve_a.compute_public_key().unwrap().as_ref(),
            lattice.encapsulation_key().unwrap().key_bytes().unwrap().as_ref(),
        ]
        .concat();
        let server = SECP384R1MLKEM1024.start_and_complete(&client_share).unwrap();
        let (point, ciphertext) = server.pub_key.split_at(97);
        let lattice_secret = lattice.decapsulate(ciphertext.into()).unwrap();
        let curve_secret =
            agreement::agree_ephemeral(curve_a, UnparsedPublicKey::new(&ECDH_P384, point), (), |s| {
                Ok::<_, ()>(s.to_vec())
            })
            .unwrap();
        assert_eq!(
            server.secret.secret_bytes(),
            [curve_secret.as_slice(), lattice_secret.as_ref()].concat()
        );
    }

    #[test]
    fn a_client_share_of_the_wrong_size_is_refused() {
        let share = SECP384R1MLKEM1024.start().unwrap().pub_key().to_vec();
        for wrong in [
            &share[..0],
            &share[..97],
            &share[..1664],
            &[share.clone(), vec![0]].concat()[..],
        ] {
            assert_eq!(
                SECP384R1MLKEM1024.start_and_complete(wrong).err(),
                Some(INVALID_SHARE)
            );
        }
    }

    #[test]
    fn a_server_share_of_the_wrong_size_is_refused() {
        for length in [0, 97, 1664, 1666] {
            let client = SECP384R1MLKEM1024.start().unwrap();
            let mut share = SECP384R1MLKEM1024
                .start_and_complete(client.pub_key())
                .unwrap()
                .pub_key;
            share.resize(length, 0);
            assert_eq!(client.complete(&share).err(), Some(INVALID_SHARE));
        }
    }

    #[test]
    fn invalid_points_and_keys_are_refused() {
        let share = SECP384R1MLKEM1024.start().unwrap().pub_key().to_vec();
        let mut off_curve = share.clone();
        off_curve[96] ^= 1;
        let mut compressed_tag = share.clone();
        compressed_tag[0] = 0x02;
        // FIPS 203 §7.2: every 12-bit coefficient must be below q = 3329.
        let mut unreduced = share.clone();
        unreduced[97..100].fill(0xff);
        for wrong in [off_curve, compressed_tag, unreduced] {
            assert_eq!(
                SECP384R1MLKEM1024.start_and_complete(&wrong).err(),
                Some(INVALID_SHARE)
            );
        }
        let client = SECP384R1MLKEM1024.start().unwrap();
        let mut answer = SECP384R1MLKEM1024
            .start_and_complete(client.pub_key())
            .unwrap()
            .pub_key;
        answer[50] ^= 0x10;
        assert_eq!(client.complete(&answer).err(), Some(INVALID_SHARE));
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret() {
        let client = SECP384R1MLKEM1024.start().unwrap();
        let server = SECP384R1MLKEM1024.start_and_complete(client.pub_key()).unwrap();
        let mut share = server.pub_key.clone();
        share[200] ^= 1;
        let secret = client.complete(&share).unwrap();
        assert_ne!(secret.secret_bytes(), server.secret.secret_bytes());
    }
}
