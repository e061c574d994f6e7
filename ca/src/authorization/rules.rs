//! The table: for every method served, who may call it. As in SPIRE, with our own services below. That every method is
//! in it is tested together with [`crate::limits::table`], which stands beside it.

/// Who may call a method. Nobody, unless a field says so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rule {
    /// Everybody.
    pub any: bool,
    /// Processes on the private socket.
    pub local: bool,
    /// Identities with an entry that says `admin`.
    pub admin: bool,
    /// Attested agents whose SVID is current, not expired and not banned.
    pub agent: bool,
    /// Identities with an entry that says `downstream`.
    pub downstream: bool,
}

const NOBODY: Rule = Rule {
    any: false,
    local: false,
    admin: false,
    agent: false,
    downstream: false,
};
const ANY: Rule = Rule { any: true, ..NOBODY };
const AGENT: Rule = Rule {
    agent: true,
    ..NOBODY
};
const DOWNSTREAM: Rule = Rule {
    downstream: true,
    ..NOBODY
};
const LOCAL: Rule = Rule {
    local: true,
    ..NOBODY
};
const OPERATORS: Rule = Rule {
    local: true,
    admin: true,
    ..NOBODY
};
const OPERATORS_AND_AGENTS: Rule = Rule {
    agent: true,
    ..OPERATORS
};

/// The methods of one service and their rules.
pub struct ServiceRules {
    /// Full name of the service.
    pub service: &'static str,
    /// Whether it is on the private socket alone.
    pub socket_only: bool,
    methods: &'static [(&'static str, Rule)],
}

/// Every service that is served.
pub static TABLE: &[ServiceRules] = &[
    ServiceRules {
        service: "spire.api.server.agent.v1.Agent",
        socket_only: false,
        methods: &[
            ("CountAgents", OPERATORS),
            ("ListAgents", OPERATORS),
            ("GetAgent", OPERATORS),
            ("DeleteAgent", OPERATORS),
            ("BanAgent", OPERATORS),
            ("AttestAgent", ANY),
            ("RenewAgent", AGENT),
            ("CreateJoinToken", OPERATORS),
            ("PostStatus", AGENT),
        ],
    },
    ServiceRules {
        service: "spire.api.server.bundle.v1.Bundle",
        socket_only: false,
        methods: &[
            ("CountBundles", OPERATORS),
            ("GetBundle", ANY),
            ("AppendBundle", OPERATORS),
            ("PublishJWTAuthority", DOWNSTREAM),
            ("PublishWITAuthority", DOWNSTREAM),
            ("ListFederatedBundles", OPERATORS),
            ("GetFederatedBundle", OPERATORS_AND_AGENTS),
            ("BatchCreateFederatedBundle", OPERATORS),
            ("BatchUpdateFederatedBundle", OPERATORS),
            ("BatchSetFederatedBundle", OPERATORS),
            ("BatchDeleteFederatedBundle", OPERATORS),
        ],
    },
    ServiceRules {
        service: "spire.api.server.debug.v1.Debug",
        socket_only: true,
        methods: &[("GetInfo", LOCAL)],
    },
    ServiceRules {
        service: "spire.api.server.entry.v1.Entry",
        socket_only: false,
        methods: &[
            ("CountEntries", OPERATORS),
            ("ListEntries", OPERATORS),
            ("GetEntry", OPERATORS),
            ("BatchCreateEntry", OPERATORS),
            ("BatchUpdateEntry", OPERATORS),
            ("BatchDeleteEntry", OPERATORS),
            ("GetAuthorizedEntries", AGENT),
            ("SyncAuthorizedEntries", AGENT),
        ],
    },
    ServiceRules {
        service: "spire.api.server.localauthority.v1.LocalAuthority",
        socket_only: false,
        methods: &[
            ("GetJWTAuthorityState", OPERATORS),
            ("PrepareJWTAuthority", OPERATORS),
            ("ActivateJWTAuthority", OPERATORS),
            ("TaintJWTAuthority", OPERATORS),
            ("RevokeJWTAuthority", OPERATORS),
            ("GetX509AuthorityState", OPERATORS),
            ("PrepareX509Authority", OPERATORS),
            ("ActivateX509Authority", OPERATORS),
            ("TaintX509Authority", OPERATORS),
            ("TaintX509UpstreamAuthority", OPERATORS),
            ("RevokeX509Authority", OPERATORS),
            ("RevokeX509UpstreamAuthority", OPERATORS),
            ("GetWITAuthorityState", OPERATORS),
            ("PrepareWITAuthority", OPERATORS),
            ("ActivateWITAuthority", OPERATORS),
            ("TaintWITAuthority", OPERATORS),
            ("RevokeWITAuthority", OPERATORS),
        ],
    },
    ServiceRules {
        service: "spire.api.server.logger.v1.Logger",
        socket_only: true,
        methods: &[
            ("GetLogger", LOCAL),
            ("SetLogLevel", LOCAL),
            ("ResetLogLevel", LOCAL),
        ],
    },
    ServiceRules {
        service: "spire.api.server.svid.v1.SVID",
        socket_only: false,
        methods: &[
            ("MintX509SVID", OPERATORS),
            ("MintJWTSVID", OPERATORS),
            ("MintWITSVID", OPERATORS),
            ("BatchNewX509SVID", AGENT),
            ("NewJWTSVID", AGENT),
            ("BatchNewWITSVID", AGENT),
            ("NewDownstreamX509CA", DOWNSTREAM),
        ],
    },
    ServiceRules {
        service: "spire.api.server.trustdomain.v1.TrustDomain",
        socket_only: false,
        methods: &[
            ("ListFederationRelationships", OPERATORS),
            ("GetFederationRelationship", OPERATORS),
            ("BatchCreateFederationRelationship", OPERATORS),
            ("BatchUpdateFederationRelationship", OPERATORS),
            ("BatchDeleteFederationRelationship", OPERATORS),
            ("RefreshBundle", OPERATORS),
        ],
    },
    ServiceRules {
        service: "symbolon.server.v1.Authorities",
        socket_only: false,
        methods: &[
            ("ListAuthorities", OPERATORS),
            ("GetAuthority", OPERATORS),
            ("PrepareAuthority", OPERATORS),
            ("ActivateAuthority", OPERATORS),
            ("TaintAuthority", OPERATORS),
            ("RevokeAuthority", OPERATORS),
            ("RotateAuthority", OPERATORS),
        ],
    },
    ServiceRules {
        service: "symbolon.server.v1.Certificates",
        socket_only: false,
        methods: &[("ListCertificates", OPERATORS), ("GetCertificate", OPERATORS)],
    },
    ServiceRules {
        service: "symbolon.server.v1.Migration",
        socket_only: false,
        methods: &[
            ("GetMigration", OPERATORS),
            ("SetStage", OPERATORS),
            ("SyncMigration", AGENT),
        ],
    },
    ServiceRules {
        service: "symbolon.server.v1.Server",
        socket_only: false,
        methods: &[("GetServerInfo", OPERATORS)],
    },
    ServiceRules {
        service: "grpc.health.v1.Health",
        socket_only: true,
        methods: &[("Check", LOCAL), ("Watch", LOCAL)],
    },
    ServiceRules {
        service: "grpc.reflection.v1.ServerReflection",
        socket_only: true,
        methods: &[("ServerReflectionInfo", LOCAL)],
    },
    ServiceRules {
        service: "grpc.reflection.v1alpha.ServerReflection",
        socket_only: true,
        methods: &[("ServerReflectionInfo", LOCAL)],
    },
];

/// The rule for a path such as `/spire.api.server.agent.v1.Agent/GetAgent`; `None` for what is not served.
pub fn rule_of(path: &str) -> Option<Rule> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = TABLE.iter().find(|rules| rules.service == service)?;
    service
        .methods
        .iter()
        .find(|(name, _)| *name == method)
        .map(|(_, rule)| *rule)
}

/// The path of every method in the table, in its order.
#[cfg(test)]
pub(crate) fn paths() -> Vec<String> {
    let of_service = |service: &'static ServiceRules| {
        let path = |(method, _): &(&str, Rule)| format!("/{}/{method}", service.service);
        service.methods.iter().map(path)
    };
    TABLE.iter().flat_map(of_service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_has_no_rule() {
        for path in [
            "",
            "/",
            "/spire.api.server.agent.v1.Agent",
            "/spire.api.server.agent.v1.Agent/",
            "/spire.api.server.agent.v1.Agent/attestagent",
            "/spire.api.server.agent.v1.Agent/AttestAgent/",
            "//spire.api.server.agent.v1.Agent/AttestAgent",
            "spire.api.server.agent.v1.Agent/AttestAgent",
            "/SpiffeWorkloadAPI/FetchX509SVID",
        ] {
            assert_eq!(rule_of(path), None, "{path}");
        }
    }

    #[test]
    fn only_these_are_open_to_anybody() {
        let open = TABLE.iter().flat_map(|service| {
            let name = service.service;
            service
                .methods
                .iter()
                .filter(|(_, rule)| rule.any)
                .map(move |(method, _)| format!("{name}/{method}"))
        });
        assert_eq!(
            open.collect::<Vec<_>>(),
            [
                "spire.api.server.agent.v1.Agent/AttestAgent",
                "spire.api.server.bundle.v1.Bundle/GetBundle"
            ]
        );
    }
}
