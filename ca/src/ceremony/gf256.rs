//! The field with 256 elements, modulo x⁸ + x⁴ + x³ + x + 1 (that of AES, FIPS 197, section 4.2).
//!
//! No table is looked up and no branch taken by a value, so that time and cache say nothing about it.

/// The product of two elements.
pub(super) fn mul(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut shifted = a;
    for bit in 0..8 {
        // All ones if the bit is set, all zeros if not.
        let chosen = 0_u8.wrapping_sub((b >> bit) & 1);
        product ^= shifted & chosen;
        let carry = 0_u8.wrapping_sub(shifted >> 7);
        shifted = (shifted << 1) ^ (0x1b & carry);
    }
    product
}

/// The inverse of an element, and zero for zero: a²⁵⁴, always by the same multiplications.
pub(super) fn inverse(a: u8) -> u8 {
    // 254 is 2 + 4 + … + 128: the product of all squarings.
    let mut square = a;
    let mut power = 1;
    for _ in 0..7 {
        square = mul(square, square);
        power = mul(power, square);
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_standard() {
        // FIPS 197, section 4.2 and 4.2.1.
        assert_eq!(mul(0x57, 0x83), 0xc1);
        assert_eq!(mul(0x57, 0x13), 0xfe);
        assert_eq!(mul(0x57, 0x02), 0xae);
    }

    #[test]
    fn it_is_a_field() {
        for a in 0..=255_u8 {
            assert_eq!(mul(a, 1), a);
            assert_eq!(mul(a, 0), 0);
            assert_eq!(mul(a, inverse(a)), u8::from(a != 0), "{a}");
            for b in 0..=255_u8 {
                assert_eq!(mul(a, b), mul(b, a));
                // Distributive over a third that runs through the field as well.
                let c = a.wrapping_mul(7) ^ b;
                assert_eq!(mul(a, b ^ c), mul(a, b) ^ mul(a, c));
                assert_eq!(mul(a, mul(b, c)), mul(mul(a, b), c));
            }
        }
    }
}
