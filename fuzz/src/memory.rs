//! Whether an input makes memory grow, or asks for more of it than an input may.

use peak_alloc::PeakAlloc;

use crate::Target;

/// The most bytes of heap that one input may have in use at once.
pub const MOST: usize = 64 * 1024 * 1024;

/// How often memory has to grow in a row for it to be growth, and not something that is made once and kept.
const TIMES: usize = 4;

/// Runs an input, and again as long as memory has grown after it.
///
/// `meter` has to be the program's global allocator, and no other thread may allocate meanwhile.
///
/// # Panics
/// As [`Target::run`], when each of several runs leaves more memory in use than there was before, and when one has more
/// than [`MOST`] in use.
pub fn run(target: &Target, meter: &PeakAlloc, input: &[u8]) {
    let mut growth = [0; TIMES];
    for grown in &mut growth {
        let before = meter.current_usage();
        meter.reset_peak_usage();
        target.run(input);
        let peak = meter.peak_usage().saturating_sub(before);
        assert!(
            peak <= MOST,
            "{}: an input of {} bytes had {peak} bytes of memory in use",
            target.name,
            input.len()
        );
        *grown = meter.current_usage().saturating_sub(before);
        if *grown == 0 {
            return;
        }
    }
    panic!(
        "{}: each run of one input kept memory: {growth:?} bytes",
        target.name
    );
}
