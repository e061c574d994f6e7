//! Revocation lists.

use super::{SUITES, chain, good};
use crate::lists::{CRL_NUMBER, DISTRIBUTION_POINT, ListDraft, extension, reason, time};
use crate::support::{HOUR, now};

#[test]
fn verdicts_on_revocation_lists_agree() {
    type ListChange = fn(ListDraft) -> ListDraft;
    fn with(mut list: ListDraft, change: impl FnOnce(&mut ListDraft)) -> ListDraft {
        change(&mut list);
        list
    }
    // What is done to the leaf's list, that is the intermediate's.
    let cases: [(&str, ListChange, Option<&str>); 14] = [
        ("good", |list| list, None),
        ("leaf revoked", |list| list.revoke(&[42], &[reason(1)]), None),
        (
            "leaf revoked without a reason",
            |list| list.revoke(&[42], &[]),
            None,
        ),
        ("another revoked", |list| list.revoke(&[43], &[]), None),
        (
            "out of date",
            |list| with(list, |list| list.next_update = time(now() - HOUR / 2)),
            None,
        ),
        (
            "due now",
            |list| with(list, |list| list.next_update = time(now())),
            None,
        ),
        (
            "of nobody",
            |list| with(list, |list| list.issuer = vec![0x30, 0]),
            None,
        ),
        (
            "version 1",
            |list| with(list, |list| list.version = vec![2, 1, 0]),
            None,
        ),
        (
            "without next update",
            |list| with(list, |list| list.next_update = Vec::new()),
            None,
        ),
        (
            "a delta's reason",
            |list| list.revoke(&[43], &[reason(8)]),
            Some("webpki reads it"),
        ),
        (
            "no reason's number",
            |list| list.revoke(&[43], &[reason(7)]),
            None,
        ),
        (
            "critical unknown",
            |list| {
                with(list, |list| {
                    list.extensions.push(extension(&[0x2a, 3], true, &[5, 0]));
                })
            },
            None,
        ),
        (
            "of authorities alone",
            |list| {
                with(list, |list| {
                    let content = [0x30, 3, 0x82, 1, 0xff];
                    list.extensions
                        .push(extension(DISTRIBUTION_POINT, true, &content));
                })
            },
            None,
        ),
        (
            "number missing",
            |list| with(list, |list| list.replace(CRL_NUMBER, None)),
            Some("webpki does not ask for RFC 5280's number"),
        ),
    ];
    for suite in SUITES {
        let chain = chain(suite, [good; 3]);
        let upper = ListDraft::of(&chain.root).der(&chain.root);
        for (name, change, differs) in cases {
            let lists = [
                upper.clone(),
                change(ListDraft::of(&chain.middle)).der(&chain.middle),
            ];
            chain.compare(&format!("{suite}: {name}"), &lists, differs);
        }
        let gone = ListDraft::of(&chain.root).revoke(&[9], &[]).der(&chain.root);
        let lower = ListDraft::of(&chain.middle).der(&chain.middle);
        chain.compare("intermediate revoked", &[gone, lower.clone()], None);
        chain.compare("no list of the root", &[lower], None);
        let mut spoilt = ListDraft::of(&chain.middle).der(&chain.middle);
        let at = spoilt.len() - 9;
        spoilt[at] ^= 1;
        chain.compare("list's signature spoilt", &[upper, spoilt], None);
    }
}
