//! OpenSSL's cipher strings: `ECDHE+AESGCM:!aNULL:@STRENGTH` as the list of suites that it comes to.
//!
//! Names are resolved by themselves. Keywords mean what they mean in OpenSSL 3, which is said with the result, since
//! another version or another library has other ciphers behind `HIGH`. What a keyword stands for only on the
//! machine itself (`DEFAULT`, `PROFILE=SYSTEM`) is not guessed.

use crate::algorithm::suite::{self, Since, Suite};

/// The most parts of one string that are looked at.
const MAX_PARTS: usize = 1024;

/// What a cipher string comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Resolved {
    /// The suites before TLS 1.3, in order of preference.
    pub(crate) suites: Vec<&'static Suite>,
    /// What is asked for and nobody here knows.
    pub(crate) unknown: Vec<String>,
    /// Names of TLS 1.3 suites, which have no effect in such a string.
    pub(crate) no_effect: Vec<String>,
    /// Whether keywords were expanded by what they mean in OpenSSL 3.
    pub(crate) by_keyword: bool,
    /// The part whose meaning only the machine knows; then there are no suites.
    pub(crate) unresolved: Option<String>,
    /// `@SECLEVEL`.
    pub(crate) level: Option<String>,
}

/// Reads a cipher string.
pub(crate) fn resolve(text: &str) -> Resolved {
    let mut resolved = Resolved::default();
    // BoringSSL's groups of equal preference come to the same suites.
    let apart = text.replace('@', ":@");
    let mut parts: Vec<&str> = apart
        .split([':', ',', ';', ' ', '\t', '[', ']', '|'])
        .filter(|part| !part.is_empty())
        .take(MAX_PARTS)
        .collect();
    if let Some(fixed) = parts.first().and_then(|first| suite_b(first)) {
        resolved.suites = fixed.iter().filter_map(|code| suite::by_code(*code)).collect();
        resolved.by_keyword = true;
        parts.clear();
    }
    let named = |wanted: &str| {
        parts
            .iter()
            .any(|part| part.to_ascii_uppercase().contains(wanted))
    };
    // A keyword reaches what has to be set up specially only when the string speaks of it.
    let reach = Reach {
        psk: named("PSK"),
        srp: named("SRP"),
    };
    let mut list = List::new();
    for part in &parts {
        if let Some(command) = part.strip_prefix('@') {
            match command.split_once('=') {
                Some(("SECLEVEL", level)) => resolved.level = Some(level.to_owned()),
                _ if command == "STRENGTH" => list.by_strength(),
                _ => resolved.unknown.push((*part).to_owned()),
            }
            continue;
        }
        let (action, rest) = match part.chars().next() {
            Some('!') => (Action::Kill, part.get(1..)),
            Some('-') => (Action::Delete, part.get(1..)),
            Some('+') => (Action::Last, part.get(1..)),
            _ => (Action::Add, Some(*part)),
        };
        let rest = rest.unwrap_or_default();
        if machine_only(rest) {
            if action == Action::Add {
                resolved.unresolved.get_or_insert_with(|| rest.to_owned());
            }
            continue;
        }
        match selection(rest) {
            Selection::One(one) if one.since() == Since::Tls13 => {
                if action == Action::Add {
                    resolved.no_effect.push(rest.to_owned());
                }
            }
            Selection::One(one) => list.apply(action, &|suite| suite.code == one.code),
            Selection::Keywords(words) => {
                resolved.by_keyword |= matches!(action, Action::Add);
                list.apply(action, &|suite| {
                    reach.allows(action, suite, &words)
                        && words.iter().all(|word| has(word, suite) == Some(true))
                });
            }
            Selection::Unknown if action == Action::Add => resolved.unknown.push(rest.to_owned()),
            Selection::Unknown => {}
        }
    }
    match resolved.unresolved {
        Some(_) => resolved.suites.clear(),
        None => resolved.suites.extend(list.active()),
    }
    resolved
}

/// What stands for other suites on every machine.
fn machine_only(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    matches!(
        word.as_str(),
        "DEFAULT" | "SYSTEM" | "COMPLEMENTOFDEFAULT" | "CDEFAULT"
    ) || word.starts_with("PROFILE=")
        || word.contains("${")
        || word.starts_with('$')
}

/// Suite B (RFC 6460): the keyword alone decides.
fn suite_b(word: &str) -> Option<&'static [u16]> {
    match word {
        "SUITEB128" => Some(&[0xc02b, 0xc02c]),
        "SUITEB128ONLY" | "SUITEB128C2" => Some(&[0xc02b]),
        "SUITEB192" => Some(&[0xc02c]),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Action {
    Add,
    Delete,
    Kill,
    Last,
}

enum Selection<'a> {
    One(&'static Suite),
    Keywords(Vec<&'a str>),
    Unknown,
}

fn selection(text: &str) -> Selection<'_> {
    if let Some(suite) = suite::by_name(text) {
        return Selection::One(suite);
    }
    let words: Vec<&str> = text.split('+').collect();
    let known = words
        .iter()
        .all(|word| suite::all().first().and_then(|suite| has(word, suite)).is_some());
    match known {
        true => Selection::Keywords(words),
        false => Selection::Unknown,
    }
}

struct Reach {
    psk: bool,
    srp: bool,
}

impl Reach {
    fn allows(&self, action: Action, suite: &Suite, words: &[&str]) -> bool {
        if action != Action::Add {
            return true;
        }
        let Some(parts) = suite.parts() else { return false };
        (self.psk || !parts.exchange.contains("PSK"))
            && (self.srp || parts.exchange != "SRP")
            && (suite.usual || words.iter().any(|word| names_weak(word)))
    }
}

/// Keywords that name what OpenSSL 3 is usually built without.
fn names_weak(word: &str) -> bool {
    matches!(
        word,
        "3DES"
            | "DES"
            | "RC4"
            | "RC2"
            | "IDEA"
            | "SEED"
            | "EXP"
            | "EXPORT"
            | "EXPORT40"
            | "EXPORT56"
            | "LOW"
            | "kDH"
            | "kDHr"
            | "kDHd"
            | "kECDH"
            | "kECDHr"
            | "kECDHe"
            | "aDH"
            | "aECDH"
            | "kGOST"
            | "GOST89MAC"
    )
}

/// Whether a suite is of this kind; `None` when there is no such kind.
fn has(word: &str, suite: &Suite) -> Option<bool> {
    let Some(parts) = suite.parts() else {
        return Some(false);
    };
    let (exchange, shown, cipher, hash) = (parts.exchange, parts.authentication, parts.cipher, parts.hash);
    let aead = ["GCM", "CCM", "POLY1305"]
        .iter()
        .any(|mode| cipher.contains(mode));
    let is = |name: &str| cipher.starts_with(name);
    let mac = |name: &str| !aead && hash == name;
    let anonymous = shown == "anon";
    let strong = ["AES", "CAMELLIA", "ARIA", "CHACHA20"]
        .iter()
        .any(|name| is(name));
    Some(match word {
        "ALL" => cipher != "NULL",
        "COMPLEMENTOFALL" | "eNULL" | "NULL" => cipher == "NULL",
        "HIGH" => strong,
        "MEDIUM" => !parts.export && ["RC4", "IDEA", "SEED", "3DES"].iter().any(|name| is(name)),
        "LOW" => !parts.export && is("DES_CBC"),
        "EXP" | "EXPORT" => parts.export,
        "EXPORT40" => parts.export && (cipher.contains("40")),
        "EXPORT56" => parts.export && cipher.contains("56"),
        "RSA" => exchange == "RSA",
        "kRSA" => exchange == "RSA",
        "aRSA" => shown == "RSA",
        "kEDH" | "kDHE" => exchange == "DHE",
        "EDH" | "DHE" => exchange == "DHE" && !anonymous,
        "DH" => exchange == "DHE" || exchange == "DH",
        "ADH" => exchange == "DHE" && anonymous,
        "kEECDH" | "kECDHE" => exchange == "ECDHE",
        "EECDH" | "ECDHE" => exchange == "ECDHE" && !anonymous,
        "ECDH" => exchange == "ECDHE" || exchange == "ECDH",
        "AECDH" => exchange == "ECDHE" && anonymous,
        "kDH" => exchange == "DH",
        "kDHr" => exchange == "DH" && shown == "RSA",
        "kDHd" => exchange == "DH" && shown == "DSS",
        "kECDH" => exchange == "ECDH",
        "kECDHr" => exchange == "ECDH" && shown == "RSA",
        "kECDHe" => exchange == "ECDH" && shown == "ECDSA",
        "aDH" => exchange == "DH",
        "aECDH" => exchange == "ECDH",
        "aNULL" => anonymous,
        "aDSS" | "DSS" => shown == "DSS",
        "aECDSA" | "ECDSA" => shown == "ECDSA",
        "PSK" => exchange.contains("PSK"),
        "aPSK" => shown == "PSK",
        "kPSK" => exchange == "PSK",
        "kRSAPSK" => exchange == "RSA_PSK",
        "kDHEPSK" | "kEDHPSK" => exchange == "DHE_PSK",
        "kECDHEPSK" | "kEECDHPSK" => exchange == "ECDHE_PSK",
        "SRP" | "kSRP" => exchange == "SRP",
        "aSRP" => shown == "SRP",
        "GOST" | "kGOST" | "kGOST18" | "aGOST" | "aGOST01" | "aGOST12" | "GOST94" | "GOST89MAC"
        | "GOST12" | "GOST2012256" => false,
        "AES" => is("AES"),
        "AES128" => is("AES_128"),
        "AES256" => is("AES_256"),
        "AESGCM" => is("AES") && cipher.ends_with("GCM"),
        "AESCCM" => is("AES") && cipher.contains("CCM"),
        "AESCCM8" => is("AES") && cipher.ends_with("CCM_8"),
        "ARIA" | "ARIAGCM" => is("ARIA"),
        "ARIA128" => is("ARIA_128"),
        "ARIA256" => is("ARIA_256"),
        "CAMELLIA" => is("CAMELLIA"),
        "CAMELLIA128" => is("CAMELLIA_128"),
        "CAMELLIA256" => is("CAMELLIA_256"),
        "CHACHA20" => is("CHACHA20"),
        "CBC" => cipher.contains("CBC"),
        "3DES" => is("3DES"),
        "DES" => is("DES_CBC"),
        "RC4" => is("RC4"),
        "RC2" => is("RC2"),
        "IDEA" => is("IDEA"),
        "SEED" => is("SEED"),
        "MD5" => mac("MD5"),
        "SHA" | "SHA1" => mac("SHA"),
        "SHA256" => mac("SHA256"),
        "SHA384" => mac("SHA384"),
        "SSLv2" => false,
        "SSLv3" => suite.since() == Since::Ssl3,
        "TLSv1" | "TLSv1.0" => suite.since() == Since::Tls1,
        "TLSv1.2" => suite.since() == Since::Tls12,
        _ => return None,
    })
}

/// Bits of the key, by which `@STRENGTH` sorts.
fn strength(suite: &Suite) -> u32 {
    let cipher = suite.parts().map_or("", |parts| parts.cipher);
    match () {
        () if cipher.ends_with("CCM_8") => 64,
        () if cipher.contains("256") || cipher.starts_with("CHACHA20") => 256,
        () if cipher.starts_with("3DES") => 112,
        () if cipher == "NULL" => 0,
        () if cipher.ends_with("40") || cipher.starts_with("DES40") => 40,
        () if cipher.starts_with("DES_") => 56,
        () => 128,
    }
}

/// The list that OpenSSL works on: every suite, on or off, in an order that each rule changes.
struct List(Vec<(&'static Suite, bool)>);

impl List {
    fn new() -> Self {
        let before_tls13 = suite::all().iter().filter(|suite| suite.since() != Since::Tls13);
        Self(before_tls13.map(|suite| (suite, false)).collect())
    }

    fn apply(&mut self, action: Action, wanted: &dyn Fn(&Suite) -> bool) {
        let all = std::mem::take(&mut self.0);
        let moves = |&(suite, on): &(&'static Suite, bool)| {
            wanted(suite)
                && match action {
                    Action::Add => !on,
                    Action::Delete | Action::Last => on,
                    Action::Kill => true,
                }
        };
        let (moved, stay): (Vec<_>, Vec<_>) = all.into_iter().partition(moves);
        let moved = moved.into_iter().map(|(suite, _)| suite);
        self.0 = match action {
            Action::Kill => stay,
            // What is switched off goes to the front, so that switched on again it keeps its order.
            Action::Delete => moved.map(|suite| (suite, false)).chain(stay).collect(),
            Action::Add | Action::Last => stay.into_iter().chain(moved.map(|suite| (suite, true))).collect(),
        };
    }

    fn by_strength(&mut self) {
        for bits in [256, 128, 112, 64, 56, 40, 0] {
            self.apply(Action::Last, &|suite| strength(suite) == bits);
        }
    }

    fn active(&self) -> impl Iterator<Item = &'static Suite> {
        self.0.iter().filter(|(_, on)| *on).map(|(suite, _)| *suite)
    }
}

#[cfg(test)]
mod tests;
