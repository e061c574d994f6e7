//! Proof against other people's software.
