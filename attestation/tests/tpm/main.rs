//! The TPM methods against a software TPM.
