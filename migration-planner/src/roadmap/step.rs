//! From a draft to a step: until when, to what, in how long, and what becomes of it.

use std::collections::BTreeSet;

use super::draft::{Draft, Key, is_repaired, weakness_of};
use super::model::{Action, Deadline, Outcome, Step, StepTarget};
use super::target::target;
use super::words::{blockers, bound_words, commands, done_when, is_protocol, title, why};
use crate::algorithm::{Algorithm, Primitive, Quantum};
use crate::risk::uses::Use;
use crate::risk::{
    Assessment, Bound, Catalogue, Day, DecidedOutcome, MANY_PLACES, Profile, Purpose, Rating, Threat, effort,
};

/// The step of a draft. Its place in time and order is not known yet.
pub(super) fn step(
    key: &Key,
    draft: &Draft<'_>,
    assessment: &Assessment,
    profile: &Profile,
    catalogue: &Catalogue,
) -> Step {
    let worst = draft.ratings.iter().map(|rating| rating.threat).min();
    let target = match key.action {
        Action::Identify | Action::RetireTrust | Action::UpgradeLibrary => None,
        _ if is_protocol(key, catalogue) => None,
        _ => step_target(key, draft, assessment, profile, catalogue),
    };
    let (outcome, decided) = outcome(key, draft, target.as_ref(), assessment);
    let bound = draft
        .ratings
        .iter()
        .filter_map(|rating| bound(key, rating, assessment.today))
        .min_by_key(Bound::day);
    let (months, months_because) = months(key, draft, catalogue);
    let exposure: BTreeSet<String> = draft
        .ratings
        .iter()
        .filter_map(|rating| rating.exposure.as_deref().map(str::to_owned))
        .collect();
    Step {
        id: key.id(),
        action: key.action,
        title: title(key, draft, catalogue),
        wave: 0,
        outcome,
        decided,
        why: why(key, draft, worst, catalogue),
        owner: (!key.owner.is_empty()).then(|| key.owner.clone()),
        exposure: exposure.into_iter().collect(),
        from: from(key, draft),
        needs: Vec::new(),
        together_with: Vec::new(),
        deadlines: deadlines(key.action, draft),
        due: bound.as_ref().map(Bound::day),
        due_by: bound.as_ref().map(|bound| bound_words(bound, assessment)),
        months,
        months_because,
        start: assessment.today,
        finish: assessment.today,
        latest_start: None,
        late_days: 0,
        threat: worst.map_or_else(String::new, |threat| threat.name().to_owned()),
        score: draft
            .ratings
            .iter()
            .map(|rating| rating.score.total)
            .max()
            .unwrap_or(0),
        blockers: blockers(key, draft, target.as_ref(), catalogue),
        done_when: done_when(key).to_owned(),
        commands: commands(key, draft),
        target,
        items: draft.items.iter().cloned().collect(),
    }
}

/// Whether a use goes in a step of this kind.
fn goes(key: &Key, used: &Use) -> bool {
    match key.action {
        Action::Repair => is_repaired(&key.anchor, used),
        Action::Identify => used.quantum == Quantum::Unknown,
        Action::RaiseStrength => true,
        _ => used.quantum == Quantum::Broken,
    }
}

/// The algorithms that go in a step of this kind.
fn from(key: &Key, draft: &Draft<'_>) -> Vec<String> {
    let uses = draft.ratings.iter().flat_map(|rating| &rating.uses);
    let gone = uses.filter(|used| goes(key, used));
    let names: BTreeSet<&str> = gone.map(|used| &*used.algorithm).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The bound of a rating as far as it concerns a step: what is weak today is due today, and makes nothing else due
/// today.
fn bound(key: &Key, rating: &Rating, today: Day) -> Option<Bound> {
    if key.action == Action::Repair {
        return Some(Bound::Weakness {
            weakness: weakness_of(&key.anchor).0.into(),
            day: today,
        });
    }
    match &rating.bound {
        Some(Bound::Weakness { .. }) => rating.quantum_bound.clone(),
        bound => bound.clone(),
    }
}

fn deadlines(action: Action, draft: &Draft<'_>) -> Vec<Deadline> {
    let concerned = !matches!(action, Action::Repair | Action::Identify);
    let verdicts = draft
        .ratings
        .iter()
        .flat_map(|rating| &rating.verdicts)
        .filter(|_| concerned);
    let deadlines: BTreeSet<Deadline> = verdicts
        .map(|verdict| Deadline {
            regime: verdict.regime.to_string(),
            rule: verdict.rule.to_string(),
            until: verdict.until,
            effect: verdict.effect,
            category_assumed: verdict.category_assumed,
        })
        .collect();
    let mut deadlines: Vec<Deadline> = deadlines.into_iter().collect();
    deadlines.sort_by(|a, b| (a.until, &a.regime).cmp(&(b.until, &b.regime)));
    deadlines
}

/// The longest of its assets' months; steps that are about no rated asset take what their kind of work takes.
fn months(key: &Key, draft: &Draft<'_>, catalogue: &Catalogue) -> (u32, String) {
    let own_kind = matches!(
        key.action,
        Action::Identify
            | Action::Repair
            | Action::UpgradeLibrary
            | Action::DistributeTrust
            | Action::RetireTrust
            | Action::RefuseClassical
    );
    let longest = draft
        .ratings
        .iter()
        .map(|rating| &rating.effort)
        .max_by_key(|effort| effort.months);
    let effort = match longest {
        Some(effort) if !own_kind || effort.because.starts_with("the profile") => effort.clone(),
        _ => {
            let mut factors = Vec::new();
            if draft.items.len() > MANY_PLACES {
                factors.push("many-places");
            }
            if draft.hardware {
                factors.push("hardware");
            }
            effort(catalogue, key.action.effort(), &factors, None)
        }
    };
    let mut because = effort.because.to_string();
    for factor in &effort.factors {
        because.push_str(", ");
        because.push_str(factor);
    }
    (effort.months, because)
}

fn step_target(
    key: &Key,
    draft: &Draft<'_>,
    assessment: &Assessment,
    profile: &Profile,
    catalogue: &Catalogue,
) -> Option<StepTarget> {
    let gone = |purpose: Purpose| {
        let mut uses = draft.ratings.iter().flat_map(|rating| &rating.uses);
        uses.any(|used| used.purpose == purpose && goes(key, used))
    };
    let purpose = match key.action {
        Action::ReplaceIssuer | Action::DistributeTrust | Action::ReissueCertificates => Purpose::Signature,
        Action::EnablePostQuantum | Action::RefuseClassical => Purpose::KeyEstablishment,
        _ => Purpose::ALL.into_iter().find(|purpose| gone(*purpose))?,
    };
    let mut media = draft.media.iter();
    let mut target = media.find_map(|medium| {
        target(
            catalogue,
            profile,
            &assessment.regimes,
            assessment.today,
            purpose,
            medium,
        )
    })?;
    if purpose == Purpose::Integrity {
        built_on(&from(key, draft), &mut target);
    }
    Some(target)
}

/// A MAC or a derivation that is built on a hash stays what it is, on the better hash: a hash by itself replaces
/// neither.
fn built_on(gone: &[String], target: &mut StepTarget) {
    let rebuilt = gone.iter().map(|name| {
        let algorithm = Algorithm::named(name);
        let hash = algorithm
            .parts
            .iter()
            .find(|part| Algorithm::named(part).primitive == Primitive::Hash);
        match algorithm.primitive {
            Primitive::Hash => Some(target.algorithm.clone()),
            _ => Some(name.strip_suffix(hash?.as_str())?.to_owned() + &target.algorithm),
        }
    });
    let rebuilt: BTreeSet<Option<String>> = rebuilt.collect();
    let named: Vec<&str> = rebuilt.iter().flatten().map(String::as_str).collect();
    if rebuilt.contains(&None) || named.is_empty() {
        target.note = "As the hash that it is built on; what kind of thing it is stays.".to_owned();
    } else {
        target.algorithm = named.join(", ");
    }
}

fn outcome(
    key: &Key,
    draft: &Draft<'_>,
    target: Option<&StepTarget>,
    assessment: &Assessment,
) -> (Outcome, Option<String>) {
    let decisions = || draft.ratings.iter().filter_map(|rating| rating.decision.as_ref());
    if let (Some(decision), Some(_)) = (decisions().next(), key.decided) {
        let outcome = match decision.outcome {
            // Of several acceptances the first to end ends the step's.
            DecidedOutcome::Accept => Outcome::AcceptUntil {
                day: decisions().filter_map(|decision| decision.until).min(),
            },
            DecidedOutcome::Compensate => Outcome::Compensate,
            DecidedOutcome::PhaseOut => Outcome::PhaseOut,
        };
        let who: BTreeSet<String> = decisions()
            .map(|decision| match decision.until {
                Some(until) => format!("{} ({}, until {until})", decision.reason, decision.approved_by),
                None => format!("{} ({})", decision.reason, decision.approved_by),
            })
            .collect();
        let who: Vec<String> = who.into_iter().collect();
        return (outcome, Some(who.join("; ")));
    }
    let movable = matches!(key.action, Action::ReplaceKeys | Action::ReissueCertificates);
    let live = draft
        .ratings
        .iter()
        .all(|rating| rating.threat == Threat::Impersonate);
    let outcome = match key.action {
        Action::RetireTrust => Outcome::PhaseOut,
        // Nothing is lost by waiting for a standard as long as nothing can be forged or read afterwards.
        _ if movable && target.is_none() && live => Outcome::AcceptUntil {
            day: review(draft, assessment.today),
        },
        _ if movable && target.is_none() => Outcome::Compensate,
        _ => Outcome::Migrate,
    };
    (outcome, None)
}

/// When to look again at what cannot move yet: in a year, or earlier where it must have moved by then.
fn review(draft: &Draft<'_>, today: Day) -> Option<Day> {
    let starts = draft
        .ratings
        .iter()
        .flat_map(|rating| &rating.mosca)
        .map(|mosca| mosca.start_by);
    let year = today.plus_months(12);
    Some(starts.min().map_or(year, |start| start.clamp(today, year)))
}
