//! JWT-SVIDs for workloads, one at a time.

use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_api::spire::api::server::svid::v1::NewJwtsvidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_pki::jwt;
use zeroize::Zeroizing;

use super::{CallError, ServerLink};

/// A token, read and found to be what was asked for.
#[derive(Debug)]
pub(crate) struct MintedJwt {
    pub(crate) token: Zeroizing<String>,
    pub(crate) expires_at: SystemTime,
    pub(crate) key_id: String,
}

/// Has a token minted for an entry whose identity is `spiffe_id`.
pub(crate) async fn mint_jwt(
    link: &ServerLink,
    entry_id: &str,
    spiffe_id: &SpiffeId,
    audience: &[String],
) -> Result<MintedJwt, CallError> {
    let request = NewJwtsvidRequest {
        entry_id: entry_id.to_owned(),
        audience: audience.to_vec(),
    };
    let answer = link
        .call(async |channel| Ok(SvidClient::new(channel).new_jwtsvid(request).await?.into_inner()))
        .await?;
    let token = answer
        .svid
        .map(|svid| Zeroizing::new(svid.token))
        .unwrap_or_default();
    let read = jwt::parse_unverified(&token).map_err(CallError::answer)?;
    if read.spiffe_id != *spiffe_id {
        return Err(CallError::answer(format!(
            "the token is that of {}, not of {spiffe_id}",
            read.spiffe_id
        )));
    }
    if audience.iter().any(|wanted| !read.audience.contains(wanted)) {
        return Err(CallError::answer("the token is for another audience"));
    }
    Ok(MintedJwt {
        token,
        expires_at: read.expires_at,
        key_id: read.key_id,
    })
}
