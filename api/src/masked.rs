//! `Debug` for messages with a secret in them: it shows that the secret is there and how long it is, never what it is.

use std::fmt;

use crate::spiffe::workload;
use crate::spire::api::{server::agent, types};

/// Stands in for a secret of so many bytes.
struct Secret(usize);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("<empty>"),
            length => write!(f, "<{length} bytes, not shown>"),
        }
    }
}

/// Names every field of a message, so that a field added later must be put on one side or the other.
macro_rules! masked {
    ($message:ty: shows $($shown:ident)*, hides $($hidden:ident)*) => {
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self { $($shown,)* $($hidden,)* } = self;
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($shown), $shown))*
                    $(.field(stringify!($hidden), &Secret($hidden.len())))*
                    .finish()
            }
        }
    };
}

masked!(agent::v1::CreateJoinTokenRequest: shows ttl agent_id, hides token);
masked!(types::AttestationData: shows r#type, hides payload);
masked!(types::JoinToken: shows expires_at, hides value);
masked!(types::Jwtsvid: shows id expires_at issued_at hint, hides token);
masked!(types::Witsvid: shows id expires_at issued_at hint, hides token);
masked!(workload::Jwtsvid: shows spiffe_id hint, hides svid);
masked!(workload::ValidateJwtsvidRequest: shows audience, hides svid);
masked!(workload::Witsvid: shows spiffe_id hint, hides wit_svid wit_svid_key);
masked!(
    workload::X509svid: shows spiffe_id hint form x509_svid bundle migration_target migration_stage,
    hides x509_svid_key alternative_key
);

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of some length, and the words a leak of it would show, as text or as a list of numbers.
    const TEXT: &str = "KITE";
    const LEAKS: [&str; 2] = ["KITE", "75, 73, 84, 69"];

    fn assert_masked(debug: &str) {
        for leak in LEAKS {
            assert!(!debug.contains(leak), "{debug}");
        }
        assert!(debug.contains("<4 bytes, not shown>"), "{debug}");
    }

    #[test]
    fn secrets_do_not_show() {
        let text = || TEXT.to_owned();
        let bytes = || TEXT.as_bytes().to_vec();
        assert_masked(&format!(
            "{:?}",
            agent::v1::CreateJoinTokenRequest {
                token: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            types::AttestationData {
                payload: bytes(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            types::JoinToken {
                value: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            types::Jwtsvid {
                token: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            types::Witsvid {
                token: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            workload::Jwtsvid {
                svid: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            workload::ValidateJwtsvidRequest {
                svid: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            workload::Witsvid {
                wit_svid: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            workload::Witsvid {
                wit_svid_key: text(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            workload::X509svid {
                x509_svid_key: bytes(),
                ..Default::default()
            }
        ));
        assert_masked(&format!(
            "{:?}",
            workload::X509svid {
                alternative_key: bytes(),
                ..Default::default()
            }
        ));
    }

    #[test]
    fn a_message_around_a_secret_does_not_show_it_either() {
        let svid = workload::X509svid {
            x509_svid_key: TEXT.as_bytes().to_vec(),
            ..Default::default()
        };
        assert_masked(&format!(
            "{:?}",
            workload::X509svidResponse {
                svids: vec![svid],
                ..Default::default()
            }
        ));
        let data = types::AttestationData {
            payload: TEXT.as_bytes().to_vec(),
            ..Default::default()
        };
        let params = agent::v1::attest_agent_request::Params {
            data: Some(data),
            params: None,
        };
        let step = agent::v1::attest_agent_request::Step::Params(params);
        assert_masked(&format!(
            "{:?}",
            agent::v1::AttestAgentRequest { step: Some(step) }
        ));
    }

    #[test]
    fn the_rest_shows() {
        let svid = workload::X509svid {
            spiffe_id: "spiffe://example.org/a".to_owned(),
            ..Default::default()
        };
        let debug = format!("{svid:?}");
        assert!(
            debug.contains("spiffe://example.org/a") && debug.contains("<empty>"),
            "{debug}"
        );
    }
}
