//! Forms, suites, keys, CSRs, trust bundles and the one chain and JWT verifier.
