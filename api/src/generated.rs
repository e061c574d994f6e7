//! The compiled files, in modules named like their packages: generated code reaches from one package into another by
//! that shape.
#![allow(
    clippy::allow_attributes_without_reason,
    missing_docs,
    unused_qualifications,
    reason = "written by a generator; its documentation is what the .proto files say"
)]

pub mod spire {
    //! SPIRE's interfaces.
    pub mod api {
        //! Interfaces of servers and what they speak of.
        pub mod types {
            //! What the services have in common (`spire.api.types`).
            tonic::include_proto!("spire.api.types");
        }
        pub mod server {
            //! Services of the server.
            pub mod agent {
                //! Agents: attestation, renewal, care.
                pub mod v1 {
                    //! `spire.api.server.agent.v1`.
                    tonic::include_proto!("spire.api.server.agent.v1");
                }
            }
            pub mod bundle {
                //! Trust bundles.
                pub mod v1 {
                    //! `spire.api.server.bundle.v1`.
                    tonic::include_proto!("spire.api.server.bundle.v1");
                }
            }
            pub mod debug {
                //! A look inside.
                pub mod v1 {
                    //! `spire.api.server.debug.v1`.
                    tonic::include_proto!("spire.api.server.debug.v1");
                }
            }
            pub mod entry {
                //! Registration entries.
                pub mod v1 {
                    //! `spire.api.server.entry.v1`.
                    tonic::include_proto!("spire.api.server.entry.v1");
                }
            }
            pub mod localauthority {
                //! The authorities that a server signs with.
                pub mod v1 {
                    //! `spire.api.server.localauthority.v1`.
                    tonic::include_proto!("spire.api.server.localauthority.v1");
                }
            }
            pub mod logger {
                //! The log's level.
                pub mod v1 {
                    //! `spire.api.server.logger.v1`.
                    tonic::include_proto!("spire.api.server.logger.v1");
                }
            }
            pub mod svid {
                //! Issuing.
                pub mod v1 {
                    //! `spire.api.server.svid.v1`.
                    tonic::include_proto!("spire.api.server.svid.v1");
                }
            }
            pub mod trustdomain {
                //! Federation.
                pub mod v1 {
                    //! `spire.api.server.trustdomain.v1`.
                    tonic::include_proto!("spire.api.server.trustdomain.v1");
                }
            }
        }
    }
}

pub mod spiffe {
    //! SPIFFE's interfaces.
    pub mod workload {
        //! The Workload API, which has no package of its own.
        tonic::include_proto!("_");
    }
}

pub mod symbolon {
    //! Symbolon's own interfaces.
    pub mod server {
        //! Services of the server.
        pub mod v1 {
            //! `symbolon.server.v1`.
            tonic::include_proto!("symbolon.server.v1");
        }
    }
    pub mod workload {
        //! Services of the agent, for workloads.
        pub mod v1 {
            //! `symbolon.workload.v1`.
            tonic::include_proto!("symbolon.workload.v1");
        }
    }
}
