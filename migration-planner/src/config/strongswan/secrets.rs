//! `ipsec.secrets`: where keys, passwords and preshared keys are, never what they are.

use super::{File, Names, Service, secret, text};
use crate::inventory::{AssetId, Fragment, KeyDetail, KeyKind, Protection, Reason, Role};

/// `ipsec.secrets`: `selectors : KIND value …`.
pub(super) fn read(text: &str, file: &File<'_>, found: &mut Fragment) {
    let mut service = Service::new("IPsec secrets", "", 1);
    let mut kept: Vec<AssetId> = Vec::new();
    let mut says = false;
    let mut in_key = false;
    for line in text::lines(text) {
        let plain = text::before_comment(&line.text, '#').trim();
        if plain.is_empty() {
            continue;
        }
        if in_key {
            in_key = !plain.ends_with('}');
            continue;
        }
        if let Some(path) = plain.strip_prefix("include ") {
            service.file(Names::Other, path, line.number, "include");
            says = true;
            continue;
        }
        let rest = after_colon(plain);
        let Some(rest) = rest else { continue };
        let mut words = rest.split_whitespace();
        let kind = words.next().unwrap_or_default().to_ascii_lowercase();
        let value = words.next().unwrap_or_default();
        let place = format!("secret on line {}", line.number);
        match kind.as_str() {
            "psk" | "eap" | "xauth" | "ntlm" | "pin" | "ppks" | "ppk" => {
                let kind = if kind == "ppks" { "ppk" } else { kind.as_str() };
                kept.push(secret(kind, &place, line.number, file, found));
            }
            // The numbers of a key, as Openswan wrote them, to the brace that closes.
            "rsa" if value.starts_with('{') => {
                in_key = !plain.ends_with('}');
                let detail = KeyDetail {
                    kind: KeyKind::Private,
                    algorithm: Some("RSA".to_owned()),
                    bits: None,
                    spki_sha256: None,
                    format: "ipsec.secrets".to_owned(),
                    protection: Some(Protection::None),
                };
                let here = found.here().line(line.number).access(file.access);
                kept.push(found.held_key(detail, &place, here));
            }
            "rsa" | "ecdsa" | "p12" | "pkcs8" | "pkcs12" | "bliss" | "priv" => {
                service.file(Names::Key, text::unquoted(value), line.number, "secret");
                says = true;
                if words.next().is_some_and(|word| word != "%prompt") {
                    kept.push(secret("password", &place, line.number, file, found));
                }
            }
            _ => found.unread(
                Reason::Unsupported,
                Some(line.number),
                "a secret of a kind that nobody here knows",
            ),
        }
    }
    if says || !kept.is_empty() {
        let service = service.tell(found);
        for id in kept {
            found.connect(&service, Role::Uses, &id);
        }
    }
}

/// What follows the colon that parts selectors from the secret: it begins a word, or ends one. Selectors may be quoted
/// and may be addresses with colons in them.
fn after_colon(plain: &str) -> Option<&str> {
    let mut quoted = false;
    let mut before = ' ';
    for (at, letter) in plain.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ':' if !quoted => {
                let rest = plain.get(at + 1..)?;
                let begins = before.is_whitespace() && !rest.starts_with(':');
                if begins || before != ':' && rest.starts_with(char::is_whitespace) {
                    return Some(rest);
                }
            }
            _ => {}
        }
        before = letter;
    }
    None
}
