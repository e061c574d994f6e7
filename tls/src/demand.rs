//! What a peer has to prove: by its certificates, and by the handshake that it signs.
//!
//! The two come apart for catalyst certificates alone. TLS knows no second signature, so who presents one signs the
//! handshake with its native, classical key: whoever can forge that key's signatures passes for the peer, however many
//! post-quantum signatures the chain has. What the chain's alternative signatures do keep out is a forged *authority*.
//!
//! A stage of migration adds to it at the end alone. Up to then whatever can be verified is taken, so that a peer with
//! nothing but the target's form is let in at any stage, on the way there and on the way back.

use symbolon_pki::suite::Form;
use symbolon_pki::verify::{PathPolicy, VerifyOptions};

use crate::migration::{Migration, MigrationStage};

/// The policies of one side.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Demand {
    /// For every key on the path and the signature of the handshake.
    pub(crate) peer: PathPolicy,
    /// For the certificates alone.
    pub(crate) chain: PathPolicy,
}

impl Demand {
    /// This, and what a stage of migration adds to it. It never makes it laxer.
    pub(crate) fn following(self, migration: Option<Migration>) -> Self {
        match migration {
            Some(Migration {
                target,
                stage: MigrationStage::Require,
            }) => Self {
                peer: self.peer.max(target.policy()),
                ..self
            },
            _ => self,
        }
    }

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
    use crate::migration::MigrationTarget;

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

    #[test]
    fn a_migration_never_makes_a_demand_laxer() {
        for target in MigrationTarget::ALL {
            for stage in MigrationStage::ALL {
                for peer in PathPolicy::ALL {
                    let own = Demand {
                        peer,
                        ..Demand::default()
                    };
                    let followed = own.following(Some(Migration { target, stage }));
                    let laxer = |form: &Form| followed.accepts(*form) && !own.accepts(*form);
                    assert!(!Form::ALL.iter().any(laxer), "{target} {stage} {peer}");
                    assert!(
                        Form::ALL.into_iter().any(|form| followed.accepts(form)),
                        "{target} {stage} {peer}"
                    );
                }
                let followed = Demand::default().following(Some(Migration { target, stage }));
                // Who has nothing but the target's form is never kept out.
                assert!(followed.accepts(target.form()), "{target} {stage}");
                let last = stage == MigrationStage::Require;
                assert_eq!(followed.accepts(Form::Classical), !last, "{target} {stage}");
            }
        }
        assert_eq!(Demand::default().following(None), Demand::default());
    }
}
