//! The hot path: from CSR to linted, signed certificate.
