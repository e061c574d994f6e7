//! What the types forbid: programs that must not compile.

#[test]
fn nothing_unlinted_can_be_signed() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
