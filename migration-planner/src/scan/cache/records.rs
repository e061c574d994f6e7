//! How the cache is laid out: records that begin with a key, and where to find one by it.

/// How long a key is, in bytes.
pub(super) const KEY: usize = 16;
/// What stands before a record's content: its key and its length.
pub(super) const HEAD: usize = KEY + 4;
/// The length of a record that is not there: of a file that is to be looked at each time.
const GAP: [u8; 4] = u32::MAX.to_be_bytes();

/// What identifies one state of one file, or of the files of a directory.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::scan) struct Key([u8; KEY]);

impl Key {
    /// The key of a digest.
    pub(super) fn of(digest: &[u8; 32]) -> Self {
        let mut key = [0; KEY];
        key.copy_from_slice(digest.split_at(KEY).0);
        Self(key)
    }
}

/// A record: its place among the bytes, its key, and its content unless it is a gap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) place: usize,
    pub(super) key: Key,
    pub(super) content: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    pub(super) fn at(bytes: &'a [u8], place: usize) -> Option<Self> {
        let (key, rest) = bytes.get(place..)?.split_first_chunk::<KEY>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let content = match *len {
            GAP => None,
            len => Some(rest.get(..usize::try_from(u32::from_be_bytes(len)).ok()?)?),
        };
        Some(Self {
            place,
            key: Key(*key),
            content,
        })
    }

    /// Where the next one is.
    pub(super) fn end(&self) -> usize {
        self.place + HEAD + self.content.map_or(0, <[u8]>::len)
    }

    /// The records in it.
    pub(super) fn inner(&self, bytes: &'a [u8]) -> Records<'a> {
        Records {
            bytes: bytes.get(..self.end()).unwrap_or_default(),
            at: self.place + HEAD,
        }
    }
}

/// Records one after the other, up to the first that is not whole.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let record = Record::at(self.bytes, self.at)?;
        self.at = record.end();
        Some(record)
    }
}

/// Begins a record: its head is to be filled by [`close`], or stays that of a gap.
pub(super) fn open(bytes: &mut Vec<u8>) -> usize {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; KEY]);
    bytes.extend_from_slice(&GAP);
    start
}

/// Ends the record that begins there; one that is too long is taken away.
pub(super) fn close(bytes: &mut Vec<u8>, start: usize, key: Key) {
    let len = u32::try_from(bytes.len().saturating_sub(start + HEAD));
    let head = bytes.get_mut(start..start + HEAD);
    match (len.map(u32::to_be_bytes), head) {
        (Ok(len), Some(head)) if len != GAP => {
            let (of_key, of_len) = head.split_at_mut(KEY);
            of_key.copy_from_slice(&key.0);
            of_len.copy_from_slice(&len);
        }
        _ => bytes.truncate(start),
    }
}

/// Where records are: an open-addressed table of their places. Keys are digests, so their first bytes are hash enough.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Place of a record; 0 for none. A power of two of them, at most half taken.
    slots: Vec<u32>,
    /// How many records there are.
    pub(super) len: usize,
}

impl Index {
    pub(super) fn of<'a>(bytes: &[u8], records: impl Iterator<Item = Record<'a>>) -> Self {
        let places: Vec<u32> = records
            .filter(|record| record.content.is_some())
            .map_while(|record| u32::try_from(record.place).ok())
            .collect();
        if places.is_empty() {
            return Self::default();
        }
        let mut index = Self {
            slots: vec![0; (places.len() * 2).next_power_of_two()],
            len: places.len(),
        };
        for place in places {
            if let Some(record) = Record::at(bytes, place as usize)
                && let Some(free) = index
                    .probe(&record.key)
                    .find(|slot| index.slots.get(*slot) == Some(&0))
                && let Some(slot) = index.slots.get_mut(free)
            {
                *slot = place;
            }
        }
        index
    }

    /// The slots in which a key may be, in order.
    fn probe(&self, key: &Key) -> impl Iterator<Item = usize> + use<> {
        let (start, _) = key.0.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let len = self.slots.len();
        let mask = len.saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a digest do")]
        let first = u64::from_be_bytes(*start) as usize;
        (0..len).map(move |step| first.wrapping_add(step) & mask)
    }

    /// The record of this key.
    pub(super) fn find<'a>(&self, key: &Key, bytes: &'a [u8]) -> Option<Record<'a>> {
        for slot in self.probe(key) {
            match self.slots.get(slot).copied() {
                None | Some(0) => return None,
                Some(place) => {
                    let record = Record::at(bytes, place as usize)?;
                    if record.key == *key {
                        return Some(record);
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key::of(&[number; 32])
    }

    /// Two records and a gap between them, behind three bytes.
    fn three() -> Vec<u8> {
        let mut bytes = b"...".to_vec();
        for (number, content) in [(1, Some(&b"one"[..])), (2, None), (3, Some(b""))] {
            let start = open(&mut bytes);
            if let Some(content) = content {
                bytes.extend_from_slice(content);
                close(&mut bytes, start, key(number));
            }
        }
        bytes
    }

    #[test]
    fn records_and_gaps_come_back_in_order_and_by_their_keys() {
        let bytes = three();
        let records = Records { bytes: &bytes, at: 3 };
        let contents: Vec<_> = records.clone().map(|record| record.content).collect();
        assert_eq!(contents, [Some(&b"one"[..]), None, Some(b"")]);
        let index = Index::of(&bytes, records);
        assert_eq!(index.len, 2);
        let found = |number| index.find(&key(number), &bytes).map(|record| record.content);
        assert_eq!(found(1), Some(Some(&b"one"[..])));
        assert_eq!(found(3), Some(Some(&b""[..])));
        assert!(found(2).is_none() && found(4).is_none());
    }

    #[test]
    fn what_is_cut_off_ends_before_it() {
        let bytes = three();
        for end in 0..bytes.len() {
            let bytes = bytes.get(..end).unwrap();
            let count = Records { bytes, at: 3 }.count();
            assert!(count < 3, "{end}");
            Index::of(bytes, Records { bytes, at: 3 });
        }
    }
}
