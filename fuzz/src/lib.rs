//! What every parser of untrusted bytes has to stand.
//!
//! A [`Target`] is a function that takes any bytes at all, gives them to one parser, and panics when that breaks a
//! promise: two readings that differ, bytes that were accepted and come out differently, a second implementation that
//! disagrees, a description that cannot be written. Beside it are seeds, made by our own code when they are asked for,
//! so that a fuzzer begins with what is right.
//!
//! Two programs run the bodies: `libfuzzer/`, for as long as one likes, and the tests of this crate, once with every
//! seed and with seeds that were damaged, so that targets keep compiling and passing. The bodies know of neither.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a target tells of a finding, and a seed that cannot be made is a fault of the harness"
)]

mod estate;
pub mod memory;
mod rare;
mod targets;
mod transcript;
pub mod tree;

pub use targets::TARGETS;

/// What the bytes of a target are made of, and so how to change them without breaking them at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// Anything.
    Bytes,
    /// Nested elements of DER, whose lengths have to fit.
    Der,
}

/// A parser under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, of small letters and dashes.
    pub name: &'static str,
    /// What is tested, in a line.
    pub about: &'static str,
    /// What its bytes are.
    pub shape: Shape,
    /// The longest input worth trying, in bytes.
    pub max_len: usize,
    body: fn(&[u8]),
    seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Gives it an input.
    ///
    /// # Panics
    /// When a promise is broken.
    pub fn run(&self, input: &[u8]) {
        (self.body)(input);
    }

    /// Inputs to begin with: at least one.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)()
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.name).finish()
    }
}
