//! What a peer has to prove: by its certificates, and by the handshake that it signs.
//!
//! The two come apart for catalyst certificates alone. TLS knows no second signature, so who presents one signs the
//! handshake with its native, classical key: whoever can forge that key's signatures passes for the peer, however many
//! post-quantum signatures the chain has. What the chain's alternative signatures do keep out is a forged *authority*.

use symbolon_pki::suite::Form;
use symbolon_pki::verify::{PathPolicy, VerifyOptions};

/// The policies of one side.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Demand {
    /// For every key on the path and the signature of the handshake.
    pub(crate) peer: PathPolicy,
    /// For the certificates alone.
    pub(crate) chain: PathPolicy,
}

impl Demand {
    /// Whether a peer can satisfy this with an SVID from an authority of `form`.
    pub(crate) fn accepts(self, form: Form) -> bool {
        let handshake = match form {
            Form::Catalyst => Form::Classical,
            signs => signs,
        };
        self.peer.accepts(handshake) && self.chain.accepts(form)
    }

    /// How a chain is verified for what the handshake is worth with it: by native keys.
    pub(crate) fn of_handshake(self) -> VerifyOptions {
        let mut options = VerifyOptions::default();
        options.policy = self.peer;
        options.native_only = true;
        options
    }

    /// How it is verified for what the certificates are worth.
    pub(crate) fn of_chain(self) -> VerifyOptions {
        let mut options = VerifyOptions::default();
        options.policy = self.chain;
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalyst_chain_is_no_more_than_a_classical_handshake() {
        let demand = |peer, chain| Demand { peer, chain };
        let anything = Demand::default();
        assert!(Form::ALL.into_iter().all(|form| anything.accepts(form)));
        for strict in [PathPolicy::PqRequired, PathPolicy::HybridRequired] {
            assert!(!demand(strict, PathPolicy::ClassicalOk).accepts(Form::Catalyst));
            let chain_only = demand(PathPolicy::ClassicalOk, strict);
            assert!(chain_only.accepts(Form::Catalyst) && chain_only.accepts(Form::Composite));
            assert!(!chain_only.accepts(Form::Classical));
        }
        let chain_only = demand(PathPolicy::ClassicalOk, PathPolicy::HybridRequired);
        assert!(!chain_only.accepts(Form::MlDsa));
    }
}
