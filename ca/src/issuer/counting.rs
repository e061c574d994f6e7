//! What is issued, counted by what it is and how it ended.

use std::time::Instant;

use symbolon_issuance::IssuanceError;
use symbolon_issuance::jwt::IssuedJwt;
use symbolon_issuance::wit::IssuedWit;
use symbolon_pki::suite::Form;

use super::{IssueError, IssuedX509, Issuer, JwtOrder, WitOrder, X509Order};
use crate::telemetry::{Issuance, Outcome};

impl Issuer {
    /// Issues one certificate an order. The results stand in the orders' order.
    pub async fn issue(&self, orders: Vec<X509Order>) -> Vec<Result<IssuedX509, IssueError>> {
        let began = Instant::now();
        let forms: Vec<Form> = orders.iter().map(X509Order::form).collect();
        let results = self.issue_orders(orders).await;
        for (form, result) in forms.iter().zip(&results) {
            self.counted.svid(Issuance::X509(*form), outcome(result));
        }
        if let Some(form) = forms.first() {
            self.counted.issuance(Issuance::X509(*form), began.elapsed());
        }
        results
    }

    /// Mints a JWT-SVID.
    ///
    /// # Errors
    /// [`IssueError`].
    pub async fn mint_jwt(&self, order: JwtOrder) -> Result<IssuedJwt, IssueError> {
        let began = Instant::now();
        let minted = self.mint_jwt_order(order).await;
        self.counted.svid(Issuance::Jwt, outcome(&minted));
        self.counted.issuance(Issuance::Jwt, began.elapsed());
        minted
    }

    /// Mints one WIT-SVID an order, in parallel. The results stand in the orders' order.
    pub async fn mint_wits(&self, orders: Vec<WitOrder>) -> Vec<Result<IssuedWit, IssueError>> {
        let began = Instant::now();
        let minted = self.mint_wit_orders(orders).await;
        for result in &minted {
            self.counted.svid(Issuance::Wit, outcome(result));
        }
        self.counted.issuance(Issuance::Wit, began.elapsed());
        minted
    }
}

/// Whose doing it was.
fn outcome<T>(result: &Result<T, IssueError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(
            IssueError::AuthorityKey
            | IssueError::KeyInUse
            | IssueError::NoAuthority(_)
            | IssueError::Issuance(IssuanceError::Request(_) | IssuanceError::Profile(_)),
        ) => Outcome::Refused,
        Err(_) => Outcome::Failed,
    }
}
