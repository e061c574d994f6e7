//! Reading PCRs, and the policy that binds an object to their values.

use tss_esapi::interface_types::session_handles::PolicySession;
use tss_esapi::structures::{Digest, PcrSelectionList};
use tss_esapi::tss2_esys::{TPML_PCR_SELECTION, TPMS_PCR_SELECTION};

use symbolon_crypto::digest::sha256;

use super::codes::Step;
use super::config::{PcrBank, PcrSelection};
use super::connection::{Connection, Protect};
use super::error::{PcrChange, TpmError};
use super::records::PcrValues;

/// Room for 24 PCRs, the number that every platform has.
const BYTES_OF_BITS: u8 = 3;

/// What one TPM2_PCR_Read returns at most.
const MOST_AT_ONCE: usize = 8;

impl Connection {
    /// The values of the selected PCRs, in hex.
    pub(super) fn read_pcrs(&mut self, selection: &PcrSelection) -> Step<PcrValues> {
        let mut values = PcrValues::new();
        for (bank, numbers) in selection.banks() {
            let numbers: Vec<u8> = numbers.iter().copied().collect();
            let bank_values = values.entry(bank.name().to_owned()).or_default();
            for some in numbers.chunks(MOST_AT_ONCE) {
                let list = list([(bank, some)])?;
                let session = self.session(Protect::Origin)?;
                let (_, _, digests) = self
                    .context
                    .execute_with_session(Some(session), |context| context.pcr_read(list))?;
                if digests.len() != some.len() {
                    let missing = some.get(digests.len()).or(some.first());
                    return Err(TpmError::NoSuchPcr {
                        pcr: format!("{}:{}", bank.name(), missing.copied().unwrap_or_default()),
                    }
                    .into());
                }
                let digests = digests.value().iter().map(|digest| hex::encode(digest.value()));
                bank_values.extend(some.iter().copied().zip(digests));
            }
        }
        Ok(values)
    }

    /// Has the policy session look at the PCRs as they are.
    pub(super) fn apply_pcr_policy(&mut self, session: PolicySession, values: &PcrValues) -> Step<()> {
        let list = list_of(values)?;
        Ok(self
            .context
            .execute_without_session(|context| context.policy_pcr(session, Digest::default(), list))?)
    }

    /// Why the policy of an object sealed to `sealed` is not satisfied.
    pub(super) fn explain(&mut self, sealed: &PcrValues) -> Step<TpmError> {
        let now = self.read_pcrs(&selection_of(sealed)?)?;
        let mut changes = Vec::new();
        for (bank, values) in sealed {
            for (number, value) in values {
                let found = now.get(bank).and_then(|bank| bank.get(number));
                if found != Some(value) {
                    changes.push(PcrChange {
                        pcr: format!("{bank}:{number}"),
                        sealed: value.clone(),
                        now: found.cloned().unwrap_or_default(),
                    });
                }
            }
        }
        Ok(if changes.is_empty() {
            TpmError::Policy
        } else {
            TpmError::PcrsChanged { changes }
        })
    }
}

/// The digest of the policy that PCRs have these values: that of TPM2_PolicyPCR in a fresh session (TPM 2.0 Library,
/// part 3). Computed here, so that nobody on the way to the TPM can have a secret sealed to another policy.
pub(super) fn policy(values: &PcrValues) -> Result<[u8; 32], TpmError> {
    const POLICY_PCR: u32 = 0x0000_017f;
    let concatenated: String = values.values().flat_map(|bank| bank.values()).cloned().collect();
    let concatenated = hex::decode(concatenated).map_err(|_| TpmError::Policy)?;
    let selection = selection_of(values)?;
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
fn selection_of(values: &PcrValues) -> Result<PcrSelection, TpmError> {
    let banks: Vec<String> = values
        .iter()
        .map(|(bank, values)| {
            let numbers: Vec<String> = values.keys().map(u8::to_string).collect();
            format!("{bank}:{}", numbers.join(","))
        })
        .collect();
    banks.join("+").parse().map_err(|_| TpmError::Policy)
}

fn list_of(values: &PcrValues) -> Step<PcrSelectionList> {
    let selection = selection_of(values)?;
    let banks: Vec<(PcrBank, Vec<u8>)> = selection
        .banks()
        .map(|(bank, numbers)| (bank, numbers.iter().copied().collect()))
        .collect();
    list(banks.iter().map(|(bank, numbers)| (*bank, numbers.as_slice())))
}

/// A selection as the TPM takes it, the banks in the order given, which goes into the policy: the wrapper's own
/// builder has no order.
fn list<'a>(banks: impl IntoIterator<Item = (PcrBank, &'a [u8])>) -> Step<PcrSelectionList> {
    let mut list = TPML_PCR_SELECTION::default();
    for ((bank, numbers), entry) in banks.into_iter().zip(&mut list.pcrSelections) {
        *entry = TPMS_PCR_SELECTION {
            hash: bank.algorithm(),
            sizeofSelect: BYTES_OF_BITS,
            pcrSelect: bits(numbers),
        };
        list.count += 1;
    }
    Ok(list.try_into()?)
}

/// One bit a PCR, as the TPM has them.
fn bits<'a>(numbers: impl IntoIterator<Item = &'a u8>) -> [u8; 4] {
    let bits = numbers
        .into_iter()
        .fold(0_u32, |bits, &number| bits | 1_u32.unbounded_shl(number.into()));
    bits.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_the_one_that_tpm2_tools_compute() {
        // tpm2_policypcr, with a PCR file of zeros, for sha256:7 and for sha256:0,9+sha384:7.
        let zeros = |len: usize| "00".repeat(len);
        let one = PcrValues::from([("sha256".to_owned(), [(7, zeros(32))].into())]);
        let two = PcrValues::from([
            ("sha256".to_owned(), [(0, zeros(32)), (9, zeros(32))].into()),
            ("sha384".to_owned(), [(7, zeros(48))].into()),
        ]);
        let [one, two] = [one, two].map(|values| hex::encode(policy(&values).expect("policy")));
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
