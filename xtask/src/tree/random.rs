//! Numbers that look random and are the same every time.

/// SplitMix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5ca1_ab1e);
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero. Uneven by what nobody will notice.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of the words of a text.
    pub(super) fn one_of<'a>(&mut self, words: &'a str) -> &'a str {
        let count = words.split(' ').count() as u64;
        let at = self.below(count.max(1)) as usize;
        words.split(' ').nth(at).unwrap_or_default()
    }

    /// Appends bytes.
    pub(super) fn fill(&mut self, content: &mut Vec<u8>, count: u64) {
        for _ in 0..count / 8 {
            content.extend_from_slice(&self.next().to_le_bytes());
        }
        let rest = (count % 8) as usize;
        content.extend_from_slice(&self.next().to_le_bytes()[..rest]);
    }
}
