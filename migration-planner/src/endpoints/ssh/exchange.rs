//! Key exchanges up to the server's reply, which shows the host key in the clear (RFC 5656 §4, RFC 4253 §8).
//!
//! Our half is honest for curves and ML-KEM, and never completed: the reply says all that is asked.

use symbolon_crypto::random;

use super::packet::{KEX_INIT, KEX_REPLY, Offer, banners, put, receive, send};
use crate::endpoints::line::{Fault, Line};
use crate::endpoints::tls::share;
use crate::files::wire::Wire;

/// Methods without a post-quantum half whose first message is made here, best first.
pub(super) const CLASSICAL: [&str; 10] = [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group15-sha512",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group1-sha1",
];

/// Methods with a post-quantum half whose first message is made here.
pub(super) const HYBRID: [&str; 3] = [
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
];

/// Bytes of an sntrup761 public key.
const SNTRUP761: usize = 1158;

/// Our half of a method, as it stands in the first message.
fn half(method: &str) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    match method {
        "curve25519-sha256" | "curve25519-sha256@libssh.org" => put(&mut value, &share(0x001d)?),
        "ecdh-sha2-nistp256" => put(&mut value, &share(0x0017)?),
        "ecdh-sha2-nistp384" => put(&mut value, &share(0x0018)?),
        // ML-KEM's key and then the curve's, as in TLS (draft-ietf-sshm-mlkem-hybrid-kex §2.3).
        "mlkem768x25519-sha256" => put(&mut value, &share(0x11ec)?),
        // Any bytes are a key to encapsulate to; nobody could ever open what comes of these.
        _ if method.starts_with("sntrup761x25519-sha512") => {
            let mut key = vec![0; SNTRUP761];
            random::fill(&mut key).ok()?;
            key.extend(share(0x001d)?);
            put(&mut value, &key);
        }
        // A number between 1 and every prime: 512 bits, the first byte from 0x40 on.
        _ if method.starts_with("diffie-hellman-group") => {
            let mut number = vec![0; 64];
            random::fill(&mut number).ok()?;
            if let Some(first) = number.first_mut() {
                *first = *first & 0x3f | 0x40;
            }
            put(&mut value, &number);
        }
        _ => return None,
    }
    Some(value)
}

/// The server's banner and its lists.
pub(super) fn offer(line: &mut Line) -> Result<(String, Offer), Fault> {
    let banner = banners(line)?;
    match receive(line)? {
        (super::packet::KEXINIT, body) => match Offer::read(&body) {
            Some(offer) => Ok((banner, offer)),
            None => Err(Fault::Other(
                "a damaged list of what the SSH server offers".to_owned(),
            )),
        },
        (kind, _) => Err(Fault::Other(format!(
            "the SSH server begins with a packet of type {kind}"
        ))),
    }
}

/// What came of an exchange.
pub(super) enum Outcome {
    /// The host key's blob as it stands in the reply.
    Key(Vec<u8>),
    /// The server ended it after it had seen our lists.
    No(Fault),
}

/// The host key of one type, by one of these methods. An error is none that our lists could be the reason of.
pub(super) fn host_key(
    line: &mut Line,
    methods: &[&str],
    host_key: &str,
    theirs: &Offer,
) -> Result<Outcome, Fault> {
    let (_, theirs_now) = offer(line)?;
    match agree(line, methods, host_key, theirs, &theirs_now) {
        Ok(blob) => Ok(Outcome::Key(blob)),
        Err(fault @ (Fault::Closed | Fault::Refused(_))) => Ok(Outcome::No(fault)),
        Err(fault) => Err(fault),
    }
}

fn agree(
    line: &mut Line,
    methods: &[&str],
    host_key: &str,
    theirs: &Offer,
    theirs_now: &Offer,
) -> Result<Vec<u8>, Fault> {
    let ours = Offer {
        guesses: false,
        exchanges: methods.iter().map(|method| (*method).to_owned()).collect(),
        host_keys: vec![host_key.to_owned()],
        ..theirs.clone()
    };
    let unable = || Fault::Other("this program cannot make its half of a key exchange".to_owned());
    send(line, &ours.write().ok_or_else(unable)?)?;
    // The first of ours that the server has is what both take (RFC 4253 §7.1).
    let agreed = methods
        .iter()
        .find(|method| theirs.exchanges.iter().any(|name| name == *method));
    if let Some(method) = agreed {
        let mut payload = vec![KEX_INIT];
        payload.extend(half(method).ok_or_else(unable)?);
        send(line, &payload)?;
    }
    // A wrong guess is to be passed over (RFC 4253 §7).
    let right = theirs_now.exchanges.first().map(String::as_str) == methods.first().copied()
        && theirs_now.host_keys.first().map(String::as_str) == Some(host_key);
    if theirs_now.guesses && !right {
        receive(line)?;
    }
    let (kind, body) = receive(line)?;
    if kind != KEX_REPLY {
        return Err(Fault::Other(format!(
            "the SSH server answers the exchange with a packet of type {kind}"
        )));
    }
    Wire::new(&body)
        .string()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Fault::Other("a damaged reply to the key exchange".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_half_of_the_right_size() {
        for (method, length) in [
            ("curve25519-sha256", 32),
            ("ecdh-sha2-nistp256", 65),
            ("ecdh-sha2-nistp384", 97),
            ("mlkem768x25519-sha256", 1184 + 32),
            ("sntrup761x25519-sha512", 1158 + 32),
            ("diffie-hellman-group14-sha256", 64),
        ] {
            let half = half(method).unwrap();
            assert_eq!(half.len(), 4 + length, "{method}");
        }
        for method in CLASSICAL.into_iter().chain(HYBRID) {
            assert!(half(method).is_some(), "{method}");
        }
        assert_eq!(half("ecdh-sha2-nistp521"), None);
    }

    #[test]
    fn methods_are_what_the_inventory_says_of_them() {
        use crate::algorithm::{Quantum, alias};
        let quantum = |method| alias::resolve(method).unwrap().quantum;
        assert!(
            CLASSICAL
                .into_iter()
                .all(|method| quantum(method) == Quantum::Broken)
        );
        assert!(
            HYBRID
                .into_iter()
                .all(|method| quantum(method) == Quantum::Resistant)
        );
    }
}
