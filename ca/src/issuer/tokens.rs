//! Minting tokens. They are not recorded one by one: they live for minutes, or prove nothing without their holder's key.

use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use spiffe::SpiffeId;
use symbolon_crypto::random;
use symbolon_issuance::jwt::{IssuedJwt, JwtSvidRequest, mint_jwt_svid};
use symbolon_issuance::wit::{IssuedWit, WitSvidRequest, mint_wit_svid};
use symbolon_pki::suite::Family;
use symbolon_pki::wit::Confirmation;

use super::order::lifetime;
use super::signers::Lane;
use super::{IssueError, Issuer};
use crate::authorities::Authorities;

/// A JWT-SVID that somebody is entitled to.
#[derive(Clone, Debug)]
pub struct JwtOrder {
    /// Whose identity it is to be.
    pub spiffe_id: SpiffeId,
    /// Whom it is meant for.
    pub audience: Vec<String>,
    /// How long it is to live.
    pub ttl: Duration,
    /// When it ends at the latest, however late it is signed.
    pub ends_by: Option<SystemTime>,
    /// Whether it carries an id of its own (`jti`).
    pub has_id: bool,
}

/// A WIT-SVID that somebody is entitled to.
#[derive(Clone, Debug)]
pub struct WitOrder {
    /// Whose identity it is to be.
    pub spiffe_id: SpiffeId,
    /// The key that its holder will prove possession of with every use.
    pub confirmation: Confirmation,
    /// How long it is to live.
    pub ttl: Duration,
    /// When it ends at the latest, however late it is signed.
    pub ends_by: Option<SystemTime>,
}

impl Issuer {
    pub(super) async fn mint_jwt_order(&self, order: JwtOrder) -> Result<IssuedJwt, IssueError> {
        let signer = self
            .authorities
            .jwt()
            .ok_or(IssueError::NoAuthority(Family::Jwt))?;
        let now = self.clock.now();
        let lane = Lane::of(Family::Jwt, signer.is_own_software());
        let mint = move || {
            let mut token_id = None;
            if order.has_id {
                let mut drawn = [0; 16];
                random::fill(&mut drawn)?;
                token_id = Some(hex::encode(drawn));
            }
            let request = JwtSvidRequest {
                spiffe_id: &order.spiffe_id,
                audience: &order.audience,
                ttl: lifetime(order.ttl, order.ends_by, now),
                now,
                jti: token_id.as_deref(),
            };
            mint_jwt_svid(&signer, &request).map_err(|error| IssueError::signing(Family::Jwt, error))
        };
        let minted = self.signers.run(lane, mint).await;
        let minted = minted.unwrap_or(Err(IssueError::Stopping));
        self.notice(&minted);
        minted
    }

    pub(super) async fn mint_wit_orders(&self, orders: Vec<WitOrder>) -> Vec<Result<IssuedWit, IssueError>> {
        let count = orders.len();
        let all = |error: fn() -> IssueError| (0..count).map(|_| Err(error())).collect();
        let Some(signer) = self.authorities.wit() else {
            return all(|| IssueError::NoAuthority(Family::Wit));
        };
        let now = self.clock.now();
        let lane = Lane::of(Family::Wit, signer.is_own_software());
        let authorities = std::sync::Arc::clone(&self.authorities);
        let mint = move || {
            let one = |order: WitOrder| {
                refuse_authority_keys(&authorities, &order.confirmation)?;
                let request = WitSvidRequest {
                    spiffe_id: &order.spiffe_id,
                    confirmation: &order.confirmation,
                    ttl: lifetime(order.ttl, order.ends_by, now),
                    now,
                };
                mint_wit_svid(&signer, &request).map_err(|error| IssueError::signing(Family::Wit, error))
            };
            orders.into_par_iter().map(one).collect::<Vec<_>>()
        };
        let minted = self.signers.run(lane, mint).await;
        let minted = minted.unwrap_or_else(|| all(|| IssueError::Stopping));
        for result in &minted {
            self.notice(result);
        }
        minted
    }
}

/// A holder that could prove possession of an authority's key could do worse; to bind a token to one is a mistake.
fn refuse_authority_keys(authorities: &Authorities, confirmation: &Confirmation) -> Result<(), IssueError> {
    let hashes = confirmation.key().component_spki_hashes();
    if hashes.iter().any(|hash| authorities.holds_component_key(hash)) {
        return Err(IssueError::AuthorityKey);
    }
    Ok(())
}
