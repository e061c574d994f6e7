//! Certificates for servers below this one: authorities, signed by ours.

use super::prepared::Prepared;
use super::{CaOrder, IssueError, IssuedX509, Issuer};
use std::sync::Arc;

impl Issuer {
    /// Issues a certificate to an authority below ours, on record like every other.
    ///
    /// # Errors
    /// [`IssueError`].
    pub async fn issue_ca(&self, order: CaOrder) -> Result<IssuedX509, IssueError> {
        let now = self.clock.now();
        let authorities = Arc::clone(&self.authorities);
        let prepared = self
            .on_signers(move || Prepared::authority(&authorities, order, now))
            .await;
        let prepared = prepared.unwrap_or(Err(IssueError::Stopping));
        let issued = self.finish(vec![prepared], now).await.pop();
        issued.unwrap_or(Err(IssueError::Stopping))
    }
}
