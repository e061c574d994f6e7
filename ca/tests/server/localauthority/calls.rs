//! The methods of `LocalAuthority`, which differ in nothing but the kind in their names.

use symbolon_api::spire::api::server::localauthority::v1 as api;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_ca::authorities::Step;
use symbolon_pki::suite::Family;
use tonic::Status;
use tonic::transport::Channel;

use crate::support::TestServer;

/// What the commands are about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Jwt,
    X509,
    Wit,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Jwt, Kind::X509, Kind::Wit];

impl Kind {
    pub(super) fn family(self) -> Family {
        match self {
            Self::Jwt => Family::Jwt,
            Self::X509 => Family::Classical,
            Self::Wit => Family::Wit,
        }
    }
}

pub(super) type One = api::AuthorityState;

/// Active, prepared, old.
pub(super) type State = (Option<One>, Option<One>, Option<One>);

/// A client.
pub(super) struct Commands(LocalAuthorityClient<Channel>);

macro_rules! commands {
    ($($kind:ident: $get:ident $prepare:ident $activate:ident $taint:ident $revoke:ident,
        $get_request:ident $prepare_request:ident $activate_request:ident $taint_request:ident $revoke_request:ident;)*) => {
        impl Commands {
            pub(super) async fn state(&mut self, kind: Kind) -> Result<State, Status> {
                match kind {
                    $(Kind::$kind => {
                        let found = self.0.$get(api::$get_request {}).await?.into_inner();
                        Ok((found.active, found.prepared, found.old))
                    })*
                }
            }

            pub(super) async fn prepare(&mut self, kind: Kind) -> Result<One, Status> {
                match kind {
                    $(Kind::$kind => {
                        let made = self.0.$prepare(api::$prepare_request {}).await?.into_inner();
                        Ok(made.prepared_authority.unwrap())
                    })*
                }
            }

            pub(super) async fn step(&mut self, kind: Kind, step: Step, id: &str) -> Result<One, Status> {
                let authority_id = id.to_owned();
                match (kind, step) {
                    $((Kind::$kind, Step::Activate) => {
                        let done = self.0.$activate(api::$activate_request { authority_id }).await?;
                        Ok(done.into_inner().activated_authority.unwrap())
                    }
                    (Kind::$kind, Step::Taint) => {
                        let done = self.0.$taint(api::$taint_request { authority_id }).await?;
                        Ok(done.into_inner().tainted_authority.unwrap())
                    }
                    (Kind::$kind, Step::Revoke) => {
                        let done = self.0.$revoke(api::$revoke_request { authority_id }).await?;
                        Ok(done.into_inner().revoked_authority.unwrap())
                    })*
                }
            }
        }
    };
}

commands! {
    Jwt: get_jwt_authority_state prepare_jwt_authority activate_jwt_authority taint_jwt_authority revoke_jwt_authority,
        GetJwtAuthorityStateRequest PrepareJwtAuthorityRequest ActivateJwtAuthorityRequest TaintJwtAuthorityRequest
        RevokeJwtAuthorityRequest;
    X509: get_x509_authority_state prepare_x509_authority activate_x509_authority taint_x509_authority
        revoke_x509_authority,
        GetX509AuthorityStateRequest PrepareX509AuthorityRequest ActivateX509AuthorityRequest TaintX509AuthorityRequest
        RevokeX509AuthorityRequest;
    Wit: get_wit_authority_state prepare_wit_authority activate_wit_authority taint_wit_authority revoke_wit_authority,
        GetWitAuthorityStateRequest PrepareWitAuthorityRequest ActivateWitAuthorityRequest TaintWitAuthorityRequest
        RevokeWitAuthorityRequest;
}

impl Commands {
    pub(super) async fn of(server: &TestServer) -> Self {
        Self::over(server.local().await)
    }

    pub(super) fn over(channel: Channel) -> Self {
        Self(LocalAuthorityClient::new(channel))
    }
}
