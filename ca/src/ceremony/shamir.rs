//! A secret in parts, of which any `threshold` give it back and fewer say nothing (Shamir, 1979).
//!
//! Each byte of the secret is the value at zero of a polynomial over [`gf256`](super::gf256) whose other
//! coefficients are uniformly random, zero and the leading one included: a bias there is what has broken others. A
//! part is the values of all polynomials at its index. See the decision on secret sharing for why this is our own.

use symbolon_crypto::random::{self, RandomError};
use zeroize::{Zeroize as _, Zeroizing};

use super::gf256;

/// Bytes of the secret that is shared: 256 bits.
pub(super) const SECRET_LEN: usize = 32;

/// A secret, or one part of it. Wiped when dropped, and on the heap: what is moved about leaves no copies behind.
pub(super) type Bytes = Box<Zeroizing<[u8; SECRET_LEN]>>;

/// Room for a secret.
pub(super) fn zeros() -> Bytes {
    Box::new(Zeroizing::new([0; SECRET_LEN]))
}

/// Why parts do not make a secret, or cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum ShamirError {
    /// No threshold, or one that the parts can never reach.
    #[error("a secret cannot be shared among {shares} so that {threshold} are needed")]
    Threshold {
        /// How many are needed.
        threshold: u8,
        /// How many there are.
        shares: u8,
    },
    /// An index that is zero, where the secret itself lies, or that stands twice.
    #[error("the parts of a secret have indices other than zero, each once")]
    Indices,
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Splits a secret into parts with the indices 1 to `shares`.
pub(super) fn split(secret: &Bytes, threshold: u8, shares: u8) -> Result<Vec<(u8, Bytes)>, ShamirError> {
    if threshold == 0 || threshold > shares {
        return Err(ShamirError::Threshold { threshold, shares });
    }
    let mut coefficients: Vec<Bytes> = Vec::with_capacity(usize::from(threshold));
    let mut constant = zeros();
    constant.copy_from_slice(&secret[..]);
    coefficients.push(constant);
    for _ in 1..threshold {
        let mut random = zeros();
        random::fill(&mut random[..])?;
        coefficients.push(random);
    }
    Ok((1..=shares)
        .map(|index| (index, evaluate(&coefficients, index)))
        .collect())
}

/// The value of each byte's polynomial at `index`, by Horner's rule.
fn evaluate(coefficients: &[Bytes], index: u8) -> Bytes {
    let mut value = zeros();
    for coefficient in coefficients.iter().rev() {
        for (byte, term) in value.iter_mut().zip(coefficient.iter()) {
            *byte = gf256::mul(*byte, index) ^ term;
        }
    }
    value
}

/// The secret of which these are parts, if they are at least as many as its threshold; otherwise some value that has
/// nothing to do with it. Whether the parts are the right ones is the caller's to know.
pub(super) fn combine(parts: &[(u8, &Bytes)]) -> Result<Bytes, ShamirError> {
    let mut secret = zeros();
    for (position, (index, part)) in parts.iter().enumerate() {
        let mut weight = 1;
        for (other_position, (other, _)) in parts.iter().enumerate() {
            if other_position == position {
                continue;
            }
            if other == index {
                return Err(ShamirError::Indices);
            }
            // Lagrange's basis at zero: other / (other - index), where minus is plus.
            weight = gf256::mul(weight, gf256::mul(*other, gf256::inverse(other ^ index)));
        }
        if *index == 0 {
            return Err(ShamirError::Indices);
        }
        for (byte, share) in secret.iter_mut().zip(part.iter()) {
            *byte ^= gf256::mul(weight, *share);
        }
        weight.zeroize();
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(bytes: [u8; SECRET_LEN]) -> Bytes {
        Box::new(Zeroizing::new(bytes))
    }

    /// The parts with these positions.
    fn chosen(parts: &[(u8, Bytes)], positions: impl IntoIterator<Item = usize>) -> Vec<(u8, &Bytes)> {
        positions
            .into_iter()
            .map(|at| (parts[at].0, &parts[at].1))
            .collect()
    }

    #[test]
    fn a_known_polynomial_gives_known_parts() {
        // 0x2a + 0x53 x in every byte: at 1 it is 0x79, at 2 0x8c, at 3 0xdf.
        let coefficients = [secret([0x2a; SECRET_LEN]), secret([0x53; SECRET_LEN])];
        for (index, value) in [(1, 0x79), (2, 0x8c), (3, 0xdf)] {
            assert_eq!(**evaluate(&coefficients, index), [value; SECRET_LEN], "{index}");
        }
        let (two, three) = (secret([0x8c; SECRET_LEN]), secret([0xdf; SECRET_LEN]));
        assert_eq!(**combine(&[(2, &two), (3, &three)]).unwrap(), [0x2a; SECRET_LEN]);
    }

    #[test]
    fn impossible_thresholds_and_indices_are_refused() {
        let whole = secret([7; SECRET_LEN]);
        for (threshold, shares) in [(0, 3), (4, 3), (1, 0)] {
            let error = split(&whole, threshold, shares).unwrap_err();
            assert_eq!(error, ShamirError::Threshold { threshold, shares });
        }
        assert_eq!(
            combine(&[(1, &whole), (1, &whole)]).unwrap_err(),
            ShamirError::Indices
        );
        assert_eq!(combine(&[(0, &whole)]).unwrap_err(), ShamirError::Indices);
    }

    /// Fewer parts than the threshold fit every secret: for each value that a byte may have there is a polynomial
    /// through the parts in hand, and just one, so they say nothing about which it was.
    #[test]
    fn one_part_less_than_the_threshold_fits_every_secret() {
        let parts = split(&secret([0x5a; SECRET_LEN]), 3, 5).unwrap();
        let [first, second, ..] = parts.as_slice() else {
            panic!("five parts")
        };
        let mut third_values = [false; 256];
        for candidate in 0..=255_u8 {
            // The third part that goes with the first two if the secret were `candidate`: its value at 3 of the
            // polynomial through (0, candidate), (1, first), (2, second).
            let at = |points: [(u8, u8); 3]| {
                points.iter().fold(0, |sum, (x, y)| {
                    let weight =
                        points
                            .iter()
                            .filter(|(other, _)| other != x)
                            .fold(1, |weight, (other, _)| {
                                gf256::mul(weight, gf256::mul(3 ^ other, gf256::inverse(x ^ other)))
                            });
                    sum ^ gf256::mul(weight, *y)
                })
            };
            let third = at([(0, candidate), (1, first.1[0]), (2, second.1[0])]);
            assert!(!std::mem::replace(&mut third_values[usize::from(third)], true));
            let third = secret([third; SECRET_LEN]);
            let again = combine(&[(1, &first.1), (2, &second.1), (3, &third)]).unwrap();
            assert_eq!(again[0], candidate);
        }
        assert!(third_values.iter().all(|seen| *seen));
    }

    /// Each value of a part's byte comes up about as often as any other, whatever the secret: coefficients are drawn
    /// from the whole field. 51,200 draws; a value that was left out, or drawn twice as often, is far outside.
    #[test]
    fn parts_are_uniform() {
        for byte in [0, 0xff] {
            let mut counts = [0_u32; 256];
            for _ in 0..1600 {
                let parts = split(&secret([byte; SECRET_LEN]), 2, 2).unwrap();
                for value in parts[0].1.iter() {
                    counts[usize::from(*value)] += 1;
                }
            }
            // The mean is 200 and the deviation 14: seven deviations to either side.
            assert!(
                counts.iter().all(|count| (100..=300).contains(count)),
                "{counts:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_threshold_of_parts_gives_the_secret_back(
            bytes: [u8; SECRET_LEN], threshold in 1..=12_u8, more in 0..=8_u8, order in any::<prop::sample::Index>(),
        ) {
            let shares = threshold + more;
            let parts = split(&secret(bytes), threshold, shares).unwrap();
            prop_assert_eq!(parts.len(), usize::from(shares));
            let start = order.index(parts.len());
            let positions = |count: u8| (0..usize::from(count)).map(move |at| (start + at) % usize::from(shares));
            let found = combine(&chosen(&parts, positions(threshold))).unwrap();
            prop_assert_eq!(**found, bytes);
            let all = combine(&chosen(&parts, positions(shares))).unwrap();
            prop_assert_eq!(**all, bytes);
        }

        #[test]
        fn fewer_parts_do_not_give_it_back(bytes: [u8; SECRET_LEN], threshold in 2..=8_u8) {
            let parts = split(&secret(bytes), threshold, threshold).unwrap();
            let found = combine(&chosen(&parts, 0..usize::from(threshold) - 1)).unwrap();
            // By chance once in 2^256.
            prop_assert_ne!(**found, bytes);
        }

        #[test]
        fn a_wrong_part_gives_another_secret(
            bytes: [u8; SECRET_LEN], at in 0..SECRET_LEN, change in 1..=255_u8,
        ) {
            let mut parts = split(&secret(bytes), 3, 3).unwrap();
            parts[1].1[at] ^= change;
            prop_assert_ne!(**combine(&chosen(&parts, 0..3)).unwrap(), bytes);
        }
    }
}
