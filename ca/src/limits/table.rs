//! The table: for every method served, what bounds how often one caller may call it. As in SPIRE; of ours what agents call
//! is bounded, and the rest is for operators.
//!
//! It stands beside [`crate::authorization::rules`], and a test sees to it that every method is in both.

/// What is counted together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Attestations.
    Attestation,
    /// Certificates.
    X509,
    /// JWT-SVIDs.
    Jwt,
    /// WIT-SVIDs.
    Wit,
    /// Keys that servers below this one publish.
    KeyPush,
    /// What agents say of themselves.
    Status,
}

impl Class {
    /// What is counted, in words.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Attestation => "attestations",
            Self::X509 => "certificates",
            Self::Jwt => "JWT-SVIDs",
            Self::Wit => "WIT-SVIDs",
            Self::KeyPush => "published keys",
            Self::Status => "status reports",
        }
    }
}

/// How a method is bounded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    /// Not at all.
    Free,
    /// Each call counts one, before its message is read.
    Call(Class),
    /// Each item of a call's batch counts; its service counts them by [`charge`](super::charge).
    Items(Class),
}

use Limit::{Call, Free, Items};

/// The methods of one service and their limits.
pub(crate) struct ServiceLimits {
    /// Full name of the service.
    pub(crate) service: &'static str,
    pub(crate) methods: &'static [(&'static str, Limit)],
}

/// Every service that is served.
pub(crate) static TABLE: &[ServiceLimits] = &[
    ServiceLimits {
        service: "spire.api.server.agent.v1.Agent",
        methods: &[
            ("CountAgents", Free),
            ("ListAgents", Free),
            ("GetAgent", Free),
            ("DeleteAgent", Free),
            ("BanAgent", Free),
            ("AttestAgent", Call(Class::Attestation)),
            ("RenewAgent", Call(Class::X509)),
            ("CreateJoinToken", Free),
            ("PostStatus", Call(Class::Status)),
        ],
    },
    ServiceLimits {
        service: "spire.api.server.bundle.v1.Bundle",
        methods: &[
            ("CountBundles", Free),
            ("GetBundle", Free),
            ("AppendBundle", Free),
            ("PublishJWTAuthority", Call(Class::KeyPush)),
            ("PublishWITAuthority", Call(Class::KeyPush)),
            ("ListFederatedBundles", Free),
            ("GetFederatedBundle", Free),
            ("BatchCreateFederatedBundle", Free),
            ("BatchUpdateFederatedBundle", Free),
            ("BatchSetFederatedBundle", Free),
            ("BatchDeleteFederatedBundle", Free),
        ],
    },
    ServiceLimits {
        service: "spire.api.server.debug.v1.Debug",
        methods: &[("GetInfo", Free)],
    },
    ServiceLimits {
        service: "spire.api.server.entry.v1.Entry",
        methods: &[
            ("CountEntries", Free),
            ("ListEntries", Free),
            ("GetEntry", Free),
            ("BatchCreateEntry", Free),
            ("BatchUpdateEntry", Free),
            ("BatchDeleteEntry", Free),
            ("GetAuthorizedEntries", Free),
            ("SyncAuthorizedEntries", Free),
        ],
    },
    ServiceLimits {
        service: "spire.api.server.localauthority.v1.LocalAuthority",
        methods: &[
            ("GetJWTAuthorityState", Free),
            ("PrepareJWTAuthority", Free),
            ("ActivateJWTAuthority", Free),
            ("TaintJWTAuthority", Free),
            ("RevokeJWTAuthority", Free),
            ("GetX509AuthorityState", Free),
            ("PrepareX509Authority", Free),
            ("ActivateX509Authority", Free),
            ("TaintX509Authority", Free),
            ("TaintX509UpstreamAuthority", Free),
            ("RevokeX509Authority", Free),
            ("RevokeX509UpstreamAuthority", Free),
            ("GetWITAuthorityState", Free),
            ("PrepareWITAuthority", Free),
            ("ActivateWITAuthority", Free),
            ("TaintWITAuthority", Free),
            ("RevokeWITAuthority", Free),
        ],
    },
    ServiceLimits {
        service: "spire.api.server.logger.v1.Logger",
        methods: &[
            ("GetLogger", Free),
            ("SetLogLevel", Free),
            ("ResetLogLevel", Free),
        ],
    },
    ServiceLimits {
        service: "spire.api.server.svid.v1.SVID",
        methods: &[
            ("MintX509SVID", Free),
            ("MintJWTSVID", Free),
            ("MintWITSVID", Free),
            ("BatchNewX509SVID", Items(Class::X509)),
            ("NewJWTSVID", Call(Class::Jwt)),
            ("BatchNewWITSVID", Items(Class::Wit)),
            ("NewDownstreamX509CA", Call(Class::X509)),
        ],
    },
    ServiceLimits {
        service: "spire.api.server.trustdomain.v1.TrustDomain",
        methods: &[
            ("ListFederationRelationships", Free),
            ("GetFederationRelationship", Free),
            ("BatchCreateFederationRelationship", Free),
            ("BatchUpdateFederationRelationship", Free),
            ("BatchDeleteFederationRelationship", Free),
            ("RefreshBundle", Free),
        ],
    },
    ServiceLimits {
        service: "symbolon.server.v1.Authorities",
        methods: &[
            ("ListAuthorities", Free),
            ("GetAuthority", Free),
            ("PrepareAuthority", Free),
            ("ActivateAuthority", Free),
            ("TaintAuthority", Free),
            ("RevokeAuthority", Free),
            ("RotateAuthority", Free),
        ],
    },
    ServiceLimits {
        service: "symbolon.server.v1.Certificates",
        methods: &[("ListCertificates", Free), ("GetCertificate", Free)],
    },
    ServiceLimits {
        service: "symbolon.server.v1.Migration",
        methods: &[
            ("GetMigration", Free),
            ("SetStage", Free),
            ("SyncMigration", Call(Class::Status)),
        ],
    },
    ServiceLimits {
        service: "symbolon.server.v1.Server",
        methods: &[("GetServerInfo", Free)],
    },
    ServiceLimits {
        service: "grpc.health.v1.Health",
        methods: &[("Check", Free), ("Watch", Free)],
    },
    ServiceLimits {
        service: "grpc.reflection.v1.ServerReflection",
        methods: &[("ServerReflectionInfo", Free)],
    },
    ServiceLimits {
        service: "grpc.reflection.v1alpha.ServerReflection",
        methods: &[("ServerReflectionInfo", Free)],
    },
];

/// The limit of a method by the path of its calls, `/<service>/<method>`; `None` for what is not in the table.
pub fn limit_of(path: &str) -> Option<Limit> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let limits = TABLE.iter().find(|limits| limits.service == service)?;
    let (_, limit) = limits.methods.iter().find(|(name, _)| *name == method)?;
    Some(*limit)
}
