//! Changing DER without breaking it: elements are taken out, doubled, swapped, wrapped, filled and re-tagged, and the
//! lengths around them made to fit again. A fuzzer that only flips bytes seldom gets beyond the first length.

/// How deep elements are looked into; what is deeper is left as content.
const DEPTH: usize = 24;

/// The most elements that a tree may have.
const MOST: usize = 4096;

#[derive(Clone, Debug, Eq, PartialEq)]
struct Element {
    /// Tag octets: one, or the many of a high tag number.
    tag: Vec<u8>,
    inside: Inside,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Inside {
    Content(Vec<u8>),
    /// What comes before the elements (a BIT STRING's octet of unused bits), and the elements.
    Elements(Vec<u8>, Vec<Element>),
}

/// A source of choices: the same seed makes the same change.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// The next number: splitmix64.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`; 0 when there are none.
    fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % (sides.max(1) as u64)).unwrap_or_default()
    }
}

/// Changes `input` in one to four places and writes it anew; `None` if it is no DER to begin with. The same `seed` makes
/// the same change.
pub fn mutate(input: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut left = MOST;
    let mut elements = read(input, DEPTH, &mut left)?;
    let mut dice = Dice(seed);
    for _ in 0..=dice.below(4) {
        change(&mut elements, &mut dice);
    }
    Some(write(&elements))
}

/// Reads elements to the end of the bytes.
fn read(mut bytes: &[u8], depth: usize, left: &mut usize) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        *left = left.checked_sub(1)?;
        let (tag, content, rest) = split(bytes)?;
        elements.push(Element {
            inside: look_inside(tag, content, depth, left),
            tag: tag.to_vec(),
        });
        bytes = rest;
    }
    Some(elements)
}

/// Tag octets, content and what comes after an element.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let first = *bytes.first()?;
    let mut tag_len = 1;
    if first & 0x1f == 0x1f {
        while bytes.get(tag_len)? & 0x80 != 0 {
            tag_len += 1;
        }
        tag_len += 1;
    }
    let (tag, rest) = bytes.split_at_checked(tag_len)?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        if octets.len() > 4 {
            return None;
        }
        let value = octets
            .iter()
            .fold(0, |value, octet| (value << 8) | usize::from(*octet));
        // A length that is written longer than it need be would not be written so again.
        if value < 0x80 || octets.first() == Some(&0) {
            return None;
        }
        (value, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Constructed elements have elements inside, and strings of octets or bits often do, too.
fn look_inside(tag: &[u8], content: &[u8], depth: usize, left: &mut usize) -> Inside {
    const OCTET_STRING: &[u8] = &[0x04];
    const BIT_STRING: &[u8] = &[0x03];
    let constructed = tag.first().is_some_and(|first| first & 0x20 != 0);
    let before = usize::from(tag == BIT_STRING);
    if depth > 0
        && (constructed || tag == OCTET_STRING || tag == BIT_STRING)
        && let Some((before, within)) = content.split_at_checked(before)
        && (constructed || !within.is_empty())
    {
        let mut tried = *left;
        if let Some(elements) = read(within, depth - 1, &mut tried) {
            *left = tried;
            return Inside::Elements(before.to_vec(), elements);
        }
    }
    Inside::Content(content.to_vec())
}

fn write(elements: &[Element]) -> Vec<u8> {
    let mut out = Vec::new();
    for element in elements {
        let content = match &element.inside {
            Inside::Content(content) => content.clone(),
            Inside::Elements(before, within) => [before.as_slice(), &write(within)].concat(),
        };
        out.extend_from_slice(&element.tag);
        let length = content.len().to_be_bytes();
        let significant = length
            .iter()
            .position(|octet| *octet != 0)
            .unwrap_or(length.len() - 1);
        let octets = length.get(significant..).unwrap_or_default();
        if content.len() >= 0x80 {
            out.push(0x80 | u8::try_from(octets.len()).unwrap_or(u8::MAX));
        }
        out.extend_from_slice(octets);
        out.extend_from_slice(&content);
    }
    out
}

/// How many elements there are, at any depth.
fn count(elements: &[Element]) -> usize {
    elements
        .iter()
        .map(|element| match &element.inside {
            Inside::Content(_) => 1,
            Inside::Elements(_, within) => 1 + count(within),
        })
        .sum()
}

/// Hands the list that holds the `number`th element, and its place there, to `act`. Whether there is one.
fn at(
    elements: &mut Vec<Element>,
    number: &mut usize,
    act: &mut impl FnMut(&mut Vec<Element>, usize),
) -> bool {
    for place in 0..elements.len() {
        if *number == 0 {
            act(elements, place);
            return true;
        }
        *number -= 1;
        if let Some(Element {
            inside: Inside::Elements(_, within),
            ..
        }) = elements.get_mut(place)
            && at(within, number, act)
        {
            return true;
        }
    }
    false
}

/// A copy of the `number`th element.
fn copy(elements: &mut Vec<Element>, mut number: usize) -> Option<Element> {
    let mut found = None;
    at(elements, &mut number, &mut |list, place| {
        found = list.get(place).cloned();
    });
    found
}

/// Tags that mean something to some parser: universal ones, and context-specific ones as extensions use them.
const TAGS: &[u8] = &[
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x81, 0x82,
    0x86, 0xa0, 0xa1, 0xa3,
];

/// Changes one place.
fn change(elements: &mut Vec<Element>, dice: &mut Dice) {
    let all = count(elements);
    let mut number = dice.below(all);
    let other = copy(elements, dice.below(all));
    let kind = dice.below(10);
    at(elements, &mut number, &mut |list, place| match kind {
        0 => drop(list.remove(place)),
        1 => {
            let same = list.get(place).cloned();
            list.extend(same);
        }
        2 => {
            let with = dice.below(list.len());
            list.swap(place, with);
        }
        3 => {
            if let (Some(other), Some(element)) = (other.clone(), list.get_mut(place)) {
                *element = other;
            }
        }
        4 => list.extend(other.clone()),
        5 => {
            if let Some(element) = list.get_mut(place) {
                let tag = TAGS.get(dice.below(TAGS.len())).copied().unwrap_or(0x30);
                element.tag = vec![tag];
            }
        }
        6 => {
            if let Some(element) = list.get_mut(place) {
                let within = vec![element.clone()];
                element.inside = Inside::Elements(Vec::new(), within);
            }
        }
        _ => {
            if let Some(element) = list.get_mut(place) {
                rewrite(&mut element.inside, dice);
            }
        }
    });
}

/// Changes what an element holds.
fn rewrite(inside: &mut Inside, dice: &mut Dice) {
    let mut content = match inside {
        Inside::Content(content) => std::mem::take(content),
        Inside::Elements(before, within) => [std::mem::take(before), write(within)].concat(),
    };
    let place = dice.below(content.len());
    match dice.below(7) {
        0 => content.clear(),
        1 => content.truncate(place),
        2 => content.extend_from_slice(&dice.roll().to_be_bytes()),
        3 => content.insert(place.min(content.len()), [0x00, 0x7f, 0x80, 0xff][dice.below(4)]),
        4 => {
            let more = content.get(..place).unwrap_or_default().to_vec();
            content.extend(more);
        }
        _ => {
            if let Some(byte) = content.get_mut(place) {
                *byte ^= 1 << dice.below(8);
            }
        }
    }
    *inside = Inside::Content(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SEQUENCE of an INTEGER, an OCTET STRING with a SEQUENCE in it, and a BIT STRING with another.
    const DER: &[u8] = &[
        0x30, 0x13, 0x02, 0x01, 0x07, 0x04, 0x05, 0x30, 0x03, 0x01, 0x01, 0xff, 0x03, 0x07, 0x00, 0x30, 0x04,
        0x06, 0x02, 0x2a, 0x03,
    ];

    fn parsed(bytes: &[u8]) -> Vec<Element> {
        read(bytes, DEPTH, &mut MOST.clone()).unwrap()
    }

    #[test]
    fn what_is_read_is_written_back() {
        assert_eq!(write(&parsed(DER)), DER);
        assert_eq!(count(&parsed(DER)), 8);
        let long = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        assert_eq!(write(&parsed(&long)), long);
        let high_tag = [0x7f, 0x81, 0x01, 0x02, 0x05, 0x00];
        assert_eq!(write(&parsed(&high_tag)), high_tag);
    }

    #[test]
    fn every_change_is_der_again() {
        let mut different = std::collections::HashSet::new();
        for seed in 0..10_000 {
            let changed = mutate(DER, seed).unwrap();
            assert_eq!(write(&parsed(&changed)), changed, "seed {seed}");
            different.insert(changed);
        }
        assert!(different.len() > 1000, "only {} changes", different.len());
    }

    #[test]
    fn the_same_seed_makes_the_same_change() {
        assert_eq!(mutate(DER, 7), mutate(DER, 7));
        assert_ne!(mutate(DER, 7), mutate(DER, 8));
    }

    #[test]
    fn what_is_no_der_is_left_alone() {
        for bytes in [&[0x30][..], &[0x30, 0x05, 0x00], &[0x30, 0x85, 1, 1, 1, 1, 1, 0]] {
            assert_eq!(mutate(bytes, 1), None);
        }
        let deep: Vec<u8> = std::iter::repeat_n([0x30, 0x80], 10_000).flatten().collect();
        mutate(&deep, 1);
    }
}
