//! The policy that binds an object to the values of PCRs. Needs no TPM: whoever verifies evidence computes it too.

use std::collections::BTreeMap;

use symbolon_crypto::digest::sha256;

use super::config::PcrSelection;
use super::error::TpmError;

/// PCR values by bank and number, both in the order the TPM hashes them in.
pub(crate) type PcrValues = BTreeMap<String, BTreeMap<u8, String>>;

/// Room for 24 PCRs, the number that every platform has.
pub(super) const BYTES_OF_BITS: u8 = 3;

/// The digest of the policy that PCRs have these values: that of TPM2_PolicyPCR in a fresh session (TPM 2.0 Library,
/// part 3). Computed here, so that nobody on the way to the TPM can have a secret sealed to another policy.
pub(crate) fn digest(values: &PcrValues) -> Result<[u8; 32], TpmError> {
    const POLICY_PCR: u32 = 0x0000_017f;
    let selection = selection_of(values)?;
    let mut concatenated = Vec::new();
    for ((bank, _), values) in selection.banks().zip(values.values()) {
        for value in values.values() {
            let value = hex::decode(value).map_err(|_| TpmError::Policy)?;
            // The TPM hashes values one after the other: only their length says where one ends.
            if value.len() != bank.value_len() {
                return Err(TpmError::Policy);
            }
            concatenated.extend(value);
        }
    }
    let mut hashed = vec![0; 32];
    hashed.extend(POLICY_PCR.to_be_bytes());
    let banks = u32::try_from(selection.banks().count()).map_err(|_| TpmError::Policy)?;
    hashed.extend(banks.to_be_bytes());
    for (bank, numbers) in selection.banks() {
        hashed.extend(bank.algorithm().to_be_bytes());
        let [first, second, third, _] = bits(numbers);
        hashed.extend([BYTES_OF_BITS, first, second, third]);
    }
    hashed.extend(sha256(&concatenated));
    Ok(sha256(&hashed))
}

/// Which PCRs a key is sealed to.
pub(super) fn selection_of(values: &PcrValues) -> Result<PcrSelection, TpmError> {
    let banks: Vec<String> = values
        .iter()
        .map(|(bank, values)| {
            let numbers: Vec<String> = values.keys().map(u8::to_string).collect();
            format!("{bank}:{}", numbers.join(","))
        })
        .collect();
    banks.join("+").parse().map_err(|_| TpmError::Policy)
}

/// One bit a PCR, as the TPM has them.
pub(super) fn bits<'a>(numbers: impl IntoIterator<Item = &'a u8>) -> [u8; 4] {
    let bits = numbers
        .into_iter()
        .fold(0_u32, |bits, &number| bits | 1_u32.unbounded_shl(number.into()));
    bits.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_another_length_have_no_policy() {
        let policy = |one: usize, two: usize| {
            let values = [(0, "00".repeat(one)), (7, "00".repeat(two))].into();
            digest(&PcrValues::from([("sha256".to_owned(), values)]))
        };
        policy(32, 32).expect("policy");
        for (one, two) in [(31, 33), (33, 31), (64, 0), (0, 64), (32, 31)] {
            policy(one, two).expect_err("another length");
        }
    }

    #[test]
    fn the_policy_is_the_one_that_tpm2_tools_compute() {
        // tpm2_policypcr, with a PCR file of zeros, for sha256:7 and for sha256:0,9+sha384:7.
        let zeros = |len: usize| "00".repeat(len);
        let one = PcrValues::from([("sha256".to_owned(), [(7, zeros(32))].into())]);
        let two = PcrValues::from([
            ("sha256".to_owned(), [(0, zeros(32)), (9, zeros(32))].into()),
            ("sha384".to_owned(), [(7, zeros(48))].into()),
        ]);
        let [one, two] = [one, two].map(|values| hex::encode(digest(&values).expect("policy")));
        assert_eq!(
            one,
            "8b5682d81b29435d08d79278150611dc7e5923b2fefcce684a09577b40130a8b"
        );
        assert_eq!(
            two,
            "d43c00e0f33cbaad3aad1c64fd9d47f40e10ab4f393c27f199c7968b37c69cda"
        );
    }
}
