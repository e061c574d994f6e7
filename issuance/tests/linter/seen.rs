//! Collects which rules were found broken, each by a document that breaks nothing else.

use std::collections::BTreeSet;

use symbolon_issuance::lint::{self, Report, Rule, Scope, Severity};

use crate::build::Cert;

/// The rules that were seen broken.
#[derive(Default)]
pub(crate) struct Seen(BTreeSet<&'static str>);

impl Seen {
    /// A certificate, held against what `auto` finds right, breaks this rule and no other.
    pub(crate) fn cert(&mut self, rule: &'static Rule, cert: Cert) {
        self.scoped(Scope::Auto, rule, cert);
    }

    pub(crate) fn scoped(&mut self, scope: Scope, rule: &'static Rule, cert: Cert) {
        self.report(rule, &[], &lint::lint_certificate(&cert.der(), scope));
    }

    /// A certificate breaks this rule and cannot break it without those.
    pub(crate) fn cert_also(&mut self, rule: &'static Rule, others: &[&'static Rule], cert: Cert) {
        self.report(rule, others, &lint::lint_certificate(&cert.der(), Scope::Auto));
    }

    /// The bytes of a certificate.
    pub(crate) fn bytes(&mut self, rule: &'static Rule, der: &[u8]) {
        self.report(rule, &[], &lint::lint_certificate(der, Scope::Auto));
    }

    pub(crate) fn request(&mut self, rule: &'static Rule, der: &[u8]) {
        self.report(rule, &[], &lint::lint_request(der, Scope::Auto));
    }

    pub(crate) fn crl(&mut self, rule: &'static Rule, der: &[u8]) {
        self.report(rule, &[], &lint::lint_crl(der));
    }

    /// A file of one thing.
    pub(crate) fn input(&mut self, rule: &'static Rule, input: &[u8]) {
        let reports = lint::lint(input, Scope::Auto).unwrap();
        assert_eq!(reports.len(), 1, "{reports:#?}");
        self.report(rule, &[], &reports[0]);
    }

    /// Nothing is wrong with a certificate.
    pub(crate) fn good(&self, cert: Cert) {
        self.good_input(&cert.der());
    }

    pub(crate) fn good_input(&self, der: &[u8]) {
        let reports = lint::lint(der, Scope::Auto).unwrap();
        assert!(
            reports.len() == 1 && reports[0].findings.is_empty(),
            "{reports:#?}"
        );
    }

    /// No standard's "must" is broken.
    pub(crate) fn good_or_lighter(&self, cert: Cert) {
        let report = lint::lint_certificate(&cert.der(), Scope::Auto);
        assert!(report.worst() < Some(Severity::Error), "{report:#?}");
        assert!(
            report
                .findings
                .iter()
                .all(|finding| finding.rule.origin() != "profile"),
            "{report:#?}"
        );
    }

    fn report(&mut self, rule: &'static Rule, others: &[&'static Rule], report: &Report) {
        self.rules(rule, others, report.findings.iter().map(|finding| finding.rule));
        for finding in &report.findings {
            assert!(!finding.detail.is_empty(), "{finding:?}");
            let placed = !finding.field.is_empty() || finding.rule.origin() == "input";
            assert!(placed, "{finding:?}");
        }
    }

    /// Checks which rules were found, and notes the one it is about.
    pub(crate) fn rules(
        &mut self,
        rule: &'static Rule,
        others: &[&'static Rule],
        found: impl Iterator<Item = &'static Rule>,
    ) {
        let found: BTreeSet<_> = found.map(|rule| rule.id).collect();
        let wanted: BTreeSet<_> = others.iter().chain([&rule]).map(|rule| rule.id).collect();
        assert_eq!(found, wanted);
        self.0.insert(rule.id);
    }

    /// The rules that were not.
    pub(crate) fn missed(&self) -> Vec<&'static Rule> {
        lint::rules::all()
            .filter(|rule| !self.0.contains(rule.id))
            .collect()
    }
}
