//! Agents.

use symbolon_api::spire::api::types;
use symbolon_pki::names::decimal;

use super::{seconds, selector_messages};
use crate::datastore::AgentRecord;

/// An agent as a message, complete. As in SPIRE a banned one has no serial number.
pub(crate) fn agent_message(agent: &AgentRecord) -> types::Agent {
    let serial = if agent.banned {
        String::new()
    } else {
        decimal(agent.current.serial.as_bytes())
    };
    types::Agent {
        id: Some((&agent.spiffe_id).into()),
        attestation_type: agent.attestation_type.clone(),
        x509svid_serial_number: serial,
        x509svid_expires_at: seconds(agent.current.expires_at),
        selectors: selector_messages(&agent.selectors),
        banned: agent.banned,
        can_reattest: agent.can_reattest,
        agent_version: agent.agent_version.clone().unwrap_or_default(),
    }
}

/// Takes away what a mask leaves out.
pub(crate) fn mask_agent(agent: types::Agent, mask: Option<&types::AgentMask>) -> types::Agent {
    let Some(mask) = mask else { return agent };
    let types::AgentMask {
        attestation_type,
        x509svid_serial_number,
        x509svid_expires_at,
        selectors,
        banned,
        can_reattest,
        agent_version,
    } = *mask;
    let text = |wanted: bool, value: String| if wanted { value } else { String::new() };
    types::Agent {
        id: agent.id,
        attestation_type: text(attestation_type, agent.attestation_type),
        x509svid_serial_number: text(x509svid_serial_number, agent.x509svid_serial_number),
        x509svid_expires_at: if x509svid_expires_at {
            agent.x509svid_expires_at
        } else {
            0
        },
        selectors: if selectors { agent.selectors } else { Vec::new() },
        banned: banned && agent.banned,
        can_reattest: can_reattest && agent.can_reattest,
        agent_version: text(agent_version, agent.agent_version),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use spiffe::SpiffeId;

    use super::*;
    use crate::datastore::{AgentCertificate, Selector, SerialNumber};

    fn agent(banned: bool) -> AgentRecord {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(9);
        AgentRecord {
            spiffe_id: SpiffeId::new("spiffe://example.org/spire/agent/x/a").unwrap(),
            attestation_type: "x".to_owned(),
            current: AgentCertificate {
                serial: SerialNumber::from_bytes(&[1, 0]).unwrap(),
                expires_at: end,
            },
            renewed: None,
            selectors: [Selector::new("k", "v")].into(),
            banned,
            can_reattest: true,
            agent_version: Some("1".to_owned()),
            attested_at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn serials_are_decimal_and_absent_when_banned() {
        let message = agent_message(&agent(false));
        assert_eq!(
            (
                message.x509svid_serial_number.as_str(),
                message.x509svid_expires_at
            ),
            ("256", 9)
        );
        assert_eq!(agent_message(&agent(true)).x509svid_serial_number, "");
    }

    #[test]
    fn a_mask_keeps_what_it_names_and_the_id() {
        let message = agent_message(&agent(false));
        assert_eq!(mask_agent(message.clone(), None), message);
        let masked = mask_agent(
            message.clone(),
            Some(&types::AgentMask {
                can_reattest: true,
                ..Default::default()
            }),
        );
        assert_eq!(
            masked,
            types::Agent {
                id: message.id,
                can_reattest: true,
                ..Default::default()
            }
        );
    }
}
