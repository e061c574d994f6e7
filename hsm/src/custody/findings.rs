//! What each part of verified evidence proves, in words for an auditor.

use serde::Serialize;

use super::{Holder, Holding, Statement};

/// How much a part of evidence is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Mathematics says so, whoever made the evidence.
    Proven,
    /// Somebody says so, and the words name who.
    Said,
    /// It is open: this evidence does not show it.
    Open,
}

impl Weight {
    /// As text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Said => "said",
            Self::Open => "open",
        }
    }
}

/// One part of evidence.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// Which part.
    pub part: &'static str,
    /// What it is worth.
    pub weight: Weight,
    /// What it shows, or does not.
    pub words: String,
}

impl Finding {
    pub(super) fn new(part: &'static str, weight: Weight, words: impl Into<String>) -> Self {
        Self {
            part,
            weight,
            words: words.into(),
        }
    }
}

/// What a verified certification shows besides the statement.
pub(super) struct Certified {
    /// The attestation key's name, in hex.
    pub(super) attestation_key: String,
    /// Whether the verifier knew that key.
    pub(super) known: bool,
    /// Whether an endorsement certificate came with it.
    pub(super) endorsed: bool,
}

/// The findings of evidence whose signatures all verified.
pub(super) fn of(statement: &Statement, expected: bool, certified: Option<&Certified>) -> Vec<Finding> {
    use Weight::{Open, Proven, Said};
    let mut found = vec![Finding::new(
        "signature",
        Proven,
        format!(
            "whoever made this could sign with this {} key",
            statement.algorithm
        ),
    )];
    found.push(match (&statement.challenge, expected) {
        (Some(challenge), true) => Finding::new(
            "challenge",
            Proven,
            format!("made after the challenge {} was given", challenge.as_str()),
        ),
        (Some(_), false) => Finding::new(
            "challenge",
            Open,
            "it answers a challenge that was not compared: give yours to know that it is no older statement",
        ),
        (None, _) => Finding::new(
            "challenge",
            Open,
            "it answers no challenge: it may be an older statement shown again",
        ),
    });
    found.push(Finding::new(
        "time",
        Said,
        format!("made at {} by its maker's clock", statement.made_at),
    ));
    match (&statement.holder, &statement.holding) {
        (Holder::Software(holder), _) => found.push(Finding::new(
            "custody",
            Said,
            format!(
                "software: an encrypted file under a {}; whoever reads the memory of the process, or has file and {0}, \
                 has the key",
                holder.encrypted_under
            ),
        )),
        (Holder::Pkcs11(holder), Holding::TokenObject(object)) => {
            found.push(Finding::new(
                "token",
                Said,
                format!(
                    "by its own word: {} {}, serial number {}, firmware {}",
                    holder.manufacturer, holder.model, holder.serial, holder.firmware_version
                ),
            ));
            found.push(Finding::new(
                "attributes",
                Said,
                format!("by the token, when it was asked: {}", object.attributes),
            ));
            found.push(Finding::new(
                "token's attestation",
                Open,
                "PKCS#11 has no signed statement of a token: that it is this token, and true, rests on whoever ran \
                 this command",
            ));
        }
        (Holder::Tpm(holder), holding) => {
            found.push(Finding::new(
                "TPM",
                Said,
                format!(
                    "by its own word: {} {}, firmware {}",
                    holder.manufacturer, holder.model, holder.firmware_version
                ),
            ));
            found.extend(of_tpm(holding, certified));
        }
        _ => found.push(Finding::new("custody", Open, "the store does not say how it holds the key")),
    }
    found
}

fn of_tpm(holding: &Holding, certified: Option<&Certified>) -> Vec<Finding> {
    use Weight::{Open, Proven, Said};
    let Some(certified) = certified else {
        let words = "there is none: that a TPM holds the key is said by whoever ran this command";
        return vec![Finding::new("TPM's certification", Open, words)];
    };
    let mut found = Vec::new();
    // Anybody can make a key in software that says of itself that it is an attestation key, and sign with it.
    let (weight, whose) = match certified.known {
        true => (Proven, "the attestation key"),
        false => (Said, "an attestation key that is not known to be a TPM's"),
    };
    match holding {
        Holding::TpmKey(_) => found.push(Finding::new(
            "TPM's certification",
            weight,
            format!("{whose} certifies this very key: made in the TPM that it is in itself, and fixed there"),
        )),
        Holding::SealedSeed(facts) => {
            let pcrs: Vec<&str> = facts.pcrs.keys().map(String::as_str).collect();
            found.push(Finding::new(
                "TPM's certification",
                weight,
                format!(
                    "{whose} certifies an object sealed in its TPM, which is given out only while {} have \
                     the values stated",
                    pcrs.join(", ")
                ),
            ));
            found.push(Finding::new(
                "sealed seed",
                Said,
                "by whoever ran this command: that what is sealed is this key's seed, and that there is no other copy; \
                 the seed is in the signing process's memory for each signature",
            ));
        }
        _ => {}
    }
    let name = &certified.attestation_key;
    found.push(if certified.known {
        let words = format!("{name} is the one that you named");
        Finding::new("attestation key", Proven, words)
    } else {
        let endorsed = match certified.endorsed {
            true => "its endorsement certificate is enclosed",
            false => "no endorsement certificate is enclosed",
        };
        let words = format!(
            "that {name} is of a genuine TPM is not shown here ({endorsed}): enrol it once by credential activation, \
             and name it from then on"
        );
        Finding::new("attestation key", Open, words)
    });
    found
}
