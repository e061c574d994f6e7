//! SSH keys: `authorized_keys`, `known_hosts`, `.pub` and wherever else a key stands on a line; OpenSSH certificates,
//! private keys, PuTTY's files.

mod lines;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use symbolon_crypto::digest::sha256;

use self::lines::{Lines, Wrapped};
use super::keys::Held;
use super::names::printable;
use super::wire::{self, Wire};
use crate::algorithm::{Algorithm, alias};
use crate::inventory::{AssetId, CertificateDetail, Fragment, Occurrence, Protection, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

/// Longest key on a line, in characters: an ML-DSA-87 certificate fits.
const MAX_BLOB: usize = 64 << 10;
/// Most keys in one file.
const MAX_KEYS: usize = 100_000;
/// Most lines in one file that are told for having none.
const MAX_ODD: usize = 1000;

/// SSH public keys and certificates on lines, PuTTY's key files.
#[derive(Debug)]
pub struct Ssh;

/// How the base64 of a key begins: four bytes of length, and a type.
const BEGINNINGS: [&[u8]; 9] = [
    b"AAAAB3NzaC1",          // ssh-rsa, ssh-dss
    b"AAAAC3NzaC1lZDI1NTE5", // ssh-ed25519
    b"AAAACXNzaC1lZDQ0O",    // ssh-ed448
    b"AAAAE2VjZHNhLXNoYTIt", // ecdsa-sha2-nistp…
    b"AAAAGnNrLXNzaC1lZDI1", // sk-ssh-ed25519@openssh.com
    b"AAAAInNrLWVjZHNhLXNo", // sk-ecdsa-sha2-nistp256@openssh.com
    b"AAAAHHNzaC1yc2EtY2Vy", // ssh-rsa-cert-v01@openssh.com
    b"AAAAIHNzaC1lZDI1NTE5", // ssh-ed25519-cert-v01@openssh.com
    b"AAAAKGVjZHNhLXNoYTIt", // ecdsa-sha2-nistp256-cert-v01@openssh.com
];
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";

impl Scanner for Ssh {
    fn name(&self) -> &'static str {
        "ssh-key"
    }

    fn version(&self) -> u32 {
        2
    }

    fn triggers(&self) -> &[Trigger] {
        const {
            &[
                Trigger::Extension("pub"),
                Trigger::FileName("authorized_keys"),
                Trigger::FileName("authorized_keys2"),
                Trigger::FileName("known_hosts"),
                Trigger::FileName("ssh_known_hosts"),
                Trigger::Needle(BEGINNINGS[0]),
                Trigger::Needle(BEGINNINGS[1]),
                Trigger::Needle(BEGINNINGS[2]),
                Trigger::Needle(BEGINNINGS[3]),
                Trigger::Needle(BEGINNINGS[4]),
                Trigger::Needle(BEGINNINGS[5]),
                Trigger::Needle(BEGINNINGS[6]),
                Trigger::Needle(BEGINNINGS[7]),
                Trigger::Needle(BEGINNINGS[8]),
                Trigger::Magic(PUTTY),
                Trigger::Needle(b"---- BEGIN SSH2 PUBLIC"),
            ]
        }
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if file.bytes.starts_with(PUTTY) {
            return putty(file, found);
        }
        let mut keys = 0;
        let mut odd = 0;
        let mut wrapped = Wrapped::None;
        let lines = Lines::of(file);
        for (number, line) in (1..).zip(file.bytes.split(|byte| *byte == b'\n')) {
            if wrapped.takes(line, number, file, found) {
                continue;
            }
            let before = keys;
            let mut from = 0;
            while let Some(at) = line.get(from..).and_then(|rest| memmem::find(rest, b"AAAA")) {
                let at = from + at;
                let rest = line.get(at..).unwrap_or_default();
                let inside = at
                    .checked_sub(1)
                    .and_then(|at| line.get(at))
                    .is_some_and(|byte| is_base64(*byte));
                from = at + 4;
                // In the middle of other base64 it is not the beginning of a key.
                if inside || !BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning)) {
                    continue;
                }
                keys += 1;
                if keys > MAX_KEYS || file.budget.is_spent() {
                    return found.unread(Reason::TooLarge, Some(number), "keys from here on");
                }
                let end = rest
                    .iter()
                    .position(|byte| !is_base64(*byte))
                    .unwrap_or(rest.len());
                let (before, after) = (
                    line.get(..at).unwrap_or_default(),
                    rest.get(end..).unwrap_or_default(),
                );
                on_a_line(
                    rest.get(..end).unwrap_or_default(),
                    [before, after],
                    file,
                    number,
                    found,
                );
                from = at + end;
            }
            if keys == before && lines.other_key(line, file, number, found) {
                odd += 1;
                if odd >= MAX_ODD || file.budget.is_spent() {
                    return found.unread(Reason::TooLarge, Some(number), "lines from here on");
                }
            }
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

fn on_a_line(blob: &[u8], around: [&[u8]; 2], file: &File<'_>, line: u64, found: &mut Fragment) {
    let mut here = found.here().line(line);
    let comment = String::from_utf8_lossy(around[1].trim_ascii()).into_owned();
    if !comment.is_empty() && comment.len() < 256 {
        here = here.context(printable(&comment));
    }
    let name = file.name.to_ascii_lowercase();
    if name.starts_with("known_hosts") || name.starts_with("ssh_known_hosts") {
        let hosts = String::from_utf8_lossy(around[0]);
        let host = hosts.split_whitespace().next().unwrap_or_default();
        here = here.symbol(format!("known host {}", printable(host)));
    } else if name.starts_with("authorized_keys") {
        here = here.symbol("authorized key");
    }
    let decoded = (blob.len() <= MAX_BLOB)
        .then(|| STANDARD.decode(blob).ok())
        .flatten();
    let Some((kind, key)) = decoded.as_deref().and_then(wire::public_key) else {
        return found.unread(
            Reason::Malformed,
            Some(line),
            "an SSH key that is cut off or damaged",
        );
    };
    if kind.contains("-cert-v0") {
        if certificate(decoded.as_deref().unwrap_or_default(), kind, here, found).is_none() {
            found.unread(
                Reason::Malformed,
                Some(line),
                "an OpenSSH certificate that is cut off or damaged",
            );
        }
        return;
    }
    match key {
        Some(key) => {
            key.add("SSH", here, found);
        }
        None if alias::resolve(kind).is_some() => {
            found.unread(
                Reason::Malformed,
                Some(line),
                format!("an SSH key of type {kind} that is cut off or damaged"),
            );
        }
        None => {
            found.algorithm_spelt(kind, &[], here);
            found.unread(
                Reason::Unsupported,
                Some(line),
                format!("an SSH key of type {kind}"),
            );
        }
    }
}

/// An OpenSSH certificate (PROTOCOL.certkeys).
pub(crate) fn certificate(
    blob: &[u8],
    kind: &str,
    here: Occurrence,
    found: &mut Fragment,
) -> Option<AssetId> {
    let plain = kind.split("-cert-v0").next()?;
    let plain = if plain.starts_with("sk-") {
        format!("{plain}@openssh.com")
    } else {
        plain.to_owned()
    };
    let mut wire = Wire::new(blob);
    wire.string()?;
    wire.string()?; // the nonce
    let key = wire.key(&plain)?;
    if plain.starts_with("sk-") {
        wire.string()?; // the application
    }
    let serial = wire.u64()?;
    let authority_of = wire.u32()?;
    let id = wire.text()?.to_owned();
    let mut principals = Wire::new(wire.string()?);
    let mut names = BTreeSet::new();
    while let Some(principal) = principals.text() {
        names.insert(format!("principal:{}", printable(principal)));
        if names.len() >= 256 {
            break;
        }
    }
    let (after, before) = (wire.u64()?, wire.u64()?);
    wire.string()?; // critical options
    wire.string()?; // extensions
    wire.string()?; // reserved
    let (signer_kind, signer) = wire::public_key(wire.string()?)?;
    let signature = Wire::new(wire.string()?).text()?.to_owned();
    let moment = |seconds: u64| {
        let seconds = i64::try_from(seconds).ok()?;
        let moment = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        moment.format(&time::format_description::well_known::Rfc3339).ok()
    };
    let subject_key = key.add("SSH", here.clone(), found);
    let detail = CertificateDetail {
        sha256: hex::encode(sha256(blob)),
        subject: printable(&id),
        issuer: signer.as_ref().map_or_else(
            || signer_kind.to_owned(),
            |key| format!("SSH key {}", key.sha256()),
        ),
        serial: serial.to_string(),
        not_before: moment(after),
        not_after: moment(before),
        format: "OpenSSH".to_owned(),
        authority: false,
        authority_key_id: signer.as_ref().map(super::spki::PublicKey::sha256),
        names,
        usages: BTreeSet::from([if authority_of == 2 { "host" } else { "user" }.to_owned()]),
        ..CertificateDetail::default()
    };
    if let Some(signer) = signer {
        signer.add("SSH", here.clone().symbol("certificate authority"), found);
    }
    let algorithm = alias::resolve(&signature).unwrap_or_else(|| Algorithm::named(&signature));
    Some(found.certificate(detail, algorithm, &subject_key, here))
}

/// OpenSSH's own private key format (PROTOCOL.key). `None` when it is none.
pub(crate) fn private_key(
    bytes: &[u8],
    place: &str,
    here: Occurrence,
    found: &mut Fragment,
) -> Option<AssetId> {
    let mut wire = Wire::new(bytes.strip_prefix(b"openssh-key-v1\0")?);
    let (cipher, kdf, options) = (wire.text()?, wire.text()?, wire.string()?);
    let count = wire.u32()?;
    let (kind, public) = wire::public_key(wire.string()?)?;
    let protection = if cipher == "none" {
        Protection::None
    } else {
        let mut options = Wire::new(options);
        options.string();
        Protection::Encrypted {
            kdf: Some(kdf.to_owned()).filter(|kdf| kdf != "none"),
            rounds: options.u32().map(u64::from),
            cipher: Some(alias::resolve(cipher).map_or_else(|| cipher.to_owned(), |cipher| cipher.name)),
        }
    };
    if count > 1 {
        found.unread(
            Reason::Unsupported,
            here.line,
            format!("{} more keys in the same file", count - 1),
        );
    }
    let protection = match (kind.starts_with("sk-"), protection) {
        (true, Protection::None) => Protection::Hardware {
            device: "security key".to_owned(),
        },
        (_, protection) => protection,
    };
    Some(held(kind, public, "OpenSSH", protection).add(place, here, found))
}

fn held(
    kind: &str,
    public: Option<super::spki::PublicKey>,
    format: &'static str,
    protection: Protection,
) -> Held {
    let algorithm = match &public {
        Some(public) => public.algorithm.name.clone(),
        None => alias::resolve(kind).map_or_else(|| kind.to_owned(), |algorithm| algorithm.name),
    };
    Held {
        algorithm: Some(algorithm),
        bits: public.as_ref().and_then(|key| key.bits),
        public,
        format,
        protection,
    }
}

/// PuTTY's files: headers, the public part in base64, the private part.
fn putty(file: &File<'_>, found: &mut Fragment) {
    let text = String::from_utf8_lossy(file.bytes);
    let header = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let here = found.here().line(1).access(file.access);
    let count: usize = header("Public-Lines")
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let public: String = text
        .lines()
        .skip_while(|line| !line.starts_with("Public-Lines:"))
        .skip(1)
        .take(count.min(4096))
        .collect();
    let blob = STANDARD.decode(public.as_bytes()).ok();
    let Some((kind, key)) = blob.as_deref().and_then(wire::public_key) else {
        return found.unread(
            Reason::Malformed,
            Some(1),
            "a PuTTY key whose public part cannot be read",
        );
    };
    let protection = match header("Encryption") {
        Some("none") => Protection::None,
        cipher => Protection::Encrypted {
            kdf: Some(
                header("Key-Derivation")
                    .map_or("SHA-1", |_| "Argon2id")
                    .to_owned(),
            ),
            rounds: header("Argon2-Passes").and_then(|passes| passes.parse().ok()),
            cipher: cipher.map(|cipher| {
                alias::resolve(cipher).map_or_else(|| printable(cipher), |algorithm| algorithm.name)
            }),
        },
    };
    held(kind, key, "PuTTY", protection).add("line 1", here, found);
}
