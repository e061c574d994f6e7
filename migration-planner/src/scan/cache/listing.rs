//! The files of a directory, with what tells their states apart.

use rustix::fs::Stat;

/// What tells the states of a file apart, without its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::scan) struct State {
    pub(super) numbers: [u8; 56],
    /// How many bytes it has.
    pub(in crate::scan) size: u64,
}

impl State {
    /// Of a file of which nothing is known. No file is like this.
    pub(in crate::scan) const UNKNOWN: Self = Self {
        numbers: [0; 56],
        size: 0,
    };

    pub(in crate::scan) fn of(stat: &Stat) -> Self {
        let mut numbers = [0_u8; 56];
        let size = stat.st_size.cast_unsigned();
        let fields: [u64; 7] = [
            stat.st_dev,
            stat.st_ino,
            size,
            stat.st_mtime.cast_unsigned(),
            stat.st_mtime_nsec,
            stat.st_ctime.cast_unsigned(),
            stat.st_ctime_nsec,
        ];
        for (place, field) in numbers.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        Self { numbers, size }
    }
}

/// The files of a directory, or so many of them as are looked at together, with their states.
#[derive(Debug, Default)]
pub(in crate::scan) struct Listing {
    pub(super) text: Vec<u8>,
    pub(in crate::scan) states: Vec<State>,
}

impl Listing {
    /// Starts over with another directory.
    pub(in crate::scan) fn start(&mut self, directory: &str) {
        self.states.clear();
        self.text.clear();
        self.text.extend_from_slice(directory.as_bytes());
        self.text.push(0);
    }

    pub(in crate::scan) fn push(&mut self, name: &[u8], state: State) {
        // The numbers have a fixed length and names have no zero: no two listings are the same text.
        self.text.extend_from_slice(&state.numbers);
        self.text.extend_from_slice(name);
        self.text.push(0);
        self.states.push(state);
    }
}
