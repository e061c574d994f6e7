//! A draft put into words: what, why, by which command, and how it will be known to be done.

use std::collections::BTreeSet;

use super::draft::{Draft, KEY_AGREEMENT_OF, Key, SELF_SIGNED, STRANGERS, is_repaired, weakness_of};
use super::libraries;
use super::model::{Action, StepTarget};
use crate::risk::{Assessment, Bound, Catalogue, Threat};

pub(super) fn title(key: &Key, draft: &Draft<'_>, catalogue: &Catalogue) -> String {
    let anchor = key.anchor.as_str();
    let places = draft.items.len();
    match key.action {
        Action::Identify => format!("Find out what {} is: {}", anchor, count(places, "place")),
        Action::Repair => {
            let names: BTreeSet<&str> = weak_names(anchor, draft);
            let names: Vec<&str> = names.into_iter().collect();
            let what = match weakness_of(anchor) {
                (_, true) => "signatures that are weak today",
                (_, false) => "what is weak today",
            };
            format!(
                "Replace {what} ({}): {}",
                names.join(", "),
                count(places, "place")
            )
        }
        Action::UpgradeLibrary => {
            let name = catalogue.libraries.iter().find(|library| library.id == anchor);
            let name = name
                .and_then(|library| library.names.first())
                .map_or(anchor, String::as_str);
            let version = draft.version.as_deref().unwrap_or_default();
            format!("Bring {name} to {version} or later: {}", count(places, "place"))
        }
        Action::ReplaceIssuer => format!("Set up the successor of the authority {anchor}"),
        Action::DistributeTrust => format!("Give the successor of {anchor} to {}", count(places, "verifier")),
        Action::ReissueCertificates if anchor == SELF_SIGNED => {
            format!("Replace {} that nobody else signed", count(places, "certificate"))
        }
        Action::ReissueCertificates => format!("Issue {} of {anchor} again", count(places, "certificate")),
        Action::ReplaceKeys => format!("Replace {}: {}", plural(anchor), count(places, "place")),
        Action::EnablePostQuantum => {
            format!("Offer post-quantum key establishment: {}", each(places, anchor))
        }
        Action::RefuseClassical => format!("Refuse peers that are classical only: {}", each(places, anchor)),
        Action::ChangeCode => format!("Replace {anchor} in programs: {}", count(places, "file")),
        Action::ProtectStoredData => format!("Make anew, with other algorithms: {}", each(places, anchor)),
        Action::RaiseStrength => format!(
            "Use what the regimes ask for in place of {anchor}: {}",
            count(places, "place")
        ),
        Action::RetireTrust if anchor == STRANGERS => {
            format!(
                "Keep up with the makers of your trust stores: {}",
                count(places, "authority")
            )
        }
        Action::RetireTrust => format!("Let {} forget the old {anchor}", count(places, "verifier")),
    }
}

fn count(number: usize, what: &str) -> String {
    match (number, what) {
        (1, _) => format!("1 {what}"),
        (_, "authority") => format!("{number} authorities"),
        _ => format!("{number} {what}s"),
    }
}

fn plural(what: &str) -> String {
    format!("{what}s")
}

fn each(number: usize, what: &str) -> String {
    match number {
        1 => what.to_owned(),
        _ => format!("{what}, {number} times"),
    }
}

fn weak_names<'a>(anchor: &str, draft: &'a Draft<'_>) -> BTreeSet<&'a str> {
    let uses = draft.ratings.iter().flat_map(|rating| &rating.uses);
    let weak = uses.filter(|used| is_repaired(anchor, used));
    weak.map(|used| &*used.algorithm).collect()
}

pub(super) fn why(key: &Key, draft: &Draft<'_>, worst: Option<Threat>, catalogue: &Catalogue) -> String {
    match key.action {
        Action::Repair => {
            let (id, _) = weakness_of(&key.anchor);
            let weakness = catalogue.weaknesses.iter().find(|weakness| weakness.id == id);
            weakness.map_or_else(String::new, |weakness| weakness.says.clone())
        }
        Action::Identify if key.anchor.starts_with(KEY_AGREEMENT_OF) => {
            "The configuration leaves it to the program, so the version in use decides. State it in the configuration; a scan of the endpoint shows what it is today.".to_owned()
        }
        Action::Identify => Threat::Unknown.means().to_owned(),
        Action::UpgradeLibrary => {
            "The version in use cannot do what others of these steps need, so they wait for it.".to_owned()
        }
        Action::DistributeTrust => {
            "A verifier that does not know the new anchor turns away everything that is issued under it.".to_owned()
        }
        Action::RetireTrust if key.anchor == STRANGERS => {
            "They are believed here, and their keys can be forged once there is a quantum computer. Only their makers can replace them; you decide when to forget them.".to_owned()
        }
        Action::RetireTrust => {
            "As long as the old anchor is believed, who forges its key can pose as anybody.".to_owned()
        }
        Action::RefuseClassical => {
            "As long as the classical way is open, an attacker in the middle can make peers take it.".to_owned()
        }
        Action::RaiseStrength => {
            let regimes: BTreeSet<&str> =
                draft.ratings.iter().flat_map(|rating| &rating.verdicts).map(|verdict| &*verdict.regime).collect();
            format!("Asked for by {}.", regimes.into_iter().collect::<Vec<_>>().join(", "))
        }
        Action::ReplaceIssuer if worst == Some(Threat::ForgeLater) => {
            "Everything below hangs on its signature, which is believed for so long that a quantum computer may come first.".to_owned()
        }
        _ => worst.map_or_else(String::new, |threat| threat.means().to_owned()),
    }
}

pub(super) fn bound_words(bound: &Bound, assessment: &Assessment) -> String {
    match bound {
        Bound::Weakness { .. } => "weak already today".to_owned(),
        Bound::Regime {
            regime,
            rule,
            category_assumed,
            ..
        } => {
            let name = assessment.regimes.iter().find(|known| *known.id == **regime);
            let name = name.map_or(&**regime, |regime| regime.name.as_str());
            let assumed = if *category_assumed {
                ", if it is of that category"
            } else {
                ""
            };
            format!("{name}, rule {rule}{assumed}")
        }
        Bound::Scenario { scenario, .. } => {
            format!("the scenario {scenario}, less the time for which it must hold")
        }
    }
}

/// Whether the step is about a version of a protocol or a whole suite: others take its place, whatever the
/// algorithms.
pub(super) fn is_protocol(key: &Key, catalogue: &Catalogue) -> bool {
    let (id, _) = weakness_of(&key.anchor);
    let mut weaknesses = catalogue.weaknesses.iter();
    key.action == Action::Repair
        && weaknesses.any(|weakness| {
            weakness.id == id && !(weakness.protocols.is_empty() && weakness.suites.is_empty())
        })
}

pub(super) fn blockers(
    key: &Key,
    draft: &Draft<'_>,
    target: Option<&StepTarget>,
    catalogue: &Catalogue,
) -> Vec<String> {
    let action = key.action;
    let mut blockers = Vec::new();
    if matches!(
        action,
        Action::Identify | Action::RetireTrust | Action::UpgradeLibrary
    ) {
        return blockers;
    }
    if target.is_none() && !is_protocol(key, catalogue) {
        let media: Vec<&str> = draft.media.iter().map(String::as_str).collect();
        blockers.push(format!(
            "the facts name nothing to move to for {}: there is no finished standard, or none that was verified",
            media.join(", ")
        ));
    }
    if draft.hardware {
        blockers.push(
            "a key is held by hardware: ask its maker whether and when it can do the target".to_owned(),
        );
    }
    if matches!(action, Action::ReplaceIssuer | Action::ReissueCertificates) && !draft.ours {
        blockers.push(
            "the issuer's key was not found here: if the authority is somebody else's, ask them".to_owned(),
        );
    }
    for name in &draft.libraries {
        match libraries::by_name(catalogue, name) {
            None => blockers.push(format!("nobody verified whether {name} can do the target")),
            Some(library)
                if library.key_establishment_since.is_none() && library.signature_since.is_none() =>
            {
                blockers.push(format!(
                    "no version of {name} is known to be able to do the target"
                ));
            }
            Some(_) => {}
        }
    }
    blockers
}

pub(super) fn done_when(key: &Key) -> &'static str {
    if matches!(key.decided, Some("accept")) {
        return "Nothing is to be done until the day; then it counts as undecided again.";
    }
    match key.action {
        Action::Identify => "A later scan names the algorithm in each place.",
        Action::Repair => "A later scan that looks at each place sees none of the weak algorithms there.",
        Action::UpgradeLibrary => "A later scan sees this version, or a later one, in each lock file.",
        Action::ReplaceIssuer => {
            "A later scan sees a certificate of this authority whose key and signature withstand quantum computers."
        }
        Action::DistributeTrust => {
            "A later scan sees each verifier believe an authority that withstands quantum computers."
        }
        Action::ReissueCertificates => {
            "A later scan sees, in each place, a certificate whose key and signature withstand quantum computers."
        }
        Action::ReplaceKeys => "A later scan sees, in each place, a key that withstands quantum computers.",
        Action::EnablePostQuantum => {
            "A later scan sees each of them negotiate post-quantum key establishment."
        }
        Action::RefuseClassical => {
            "A later scan that offers only the classical way is turned away by each of them."
        }
        Action::ChangeCode => "A later scan that reads each file sees no call of the algorithm there.",
        Action::ProtectStoredData => {
            "A later scan sees, in each place, algorithms that withstand quantum computers."
        }
        Action::RaiseStrength => "A later scan finds nothing in these places that the regimes object to.",
        Action::RetireTrust => "A later scan sees none of the verifiers believe it any more.",
    }
}

/// What Symbolon can do of a step. Words in capitals are to be filled in.
pub(super) fn commands(key: &Key, draft: &Draft<'_>) -> Vec<String> {
    let commands: &[&str] = match key.action {
        _ if key.decided.is_some() => &[],
        Action::ReissueCertificates if draft.media.contains("x509") => &[
            "symbolon entry create --spiffe-id spiffe://TRUST-DOMAIN/NAME --parent-id AGENT-ID --selector TYPE:VALUE --dns-name NAME",
            "symbolon svid fetch x509 --form classical,composite --write DIR",
        ],
        Action::DistributeTrust if draft.ours => {
            &["symbolon bundle show --format pem --form composite > anchors.pem"]
        }
        Action::ReplaceIssuer if draft.ours => &["symbolon bundle show --form composite,ml-dsa"],
        _ => &[],
    };
    commands.iter().map(|command| (*command).to_owned()).collect()
}
