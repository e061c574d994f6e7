//! Configuration files: of the server, the agent, a ceremony, the planner.

use std::sync::OnceLock;

use symbolon_agent::AgentConfig;
use symbolon_ca::ceremony::{Plan, TEMPLATE};
use symbolon_ca::config::ServerConfig;
use symbolon_migration_planner::risk::{Catalogue, Profile};
use symbolon_pki::verify::AlgorithmProfile;

use crate::{Shape, Target};

pub(super) const SERVER: Target = Target {
    name: "server-config",
    about: "the server's configuration, and what it comes to",
    shape: Shape::Bytes,
    max_len: 8 * 1024,
    body: |input| {
        if let Some(config) = toml_of::<ServerConfig>(input)
            && config.validate().is_ok()
        {
            let _ = config.effective_stores();
            let _ = config.families();
        }
    },
    seeds: || vec![include_bytes!("../../../ca/src/config/defaults.toml").to_vec()],
};

pub(super) const AGENT: Target = Target {
    name: "agent-config",
    about: "the agent's configuration",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        if let Some(config) = toml_of::<AgentConfig>(input)
            && config.validate().is_ok()
        {
            let _ = config.agent_dir();
            let _ = config.socket();
        }
    },
    seeds: || vec![include_bytes!("../../../agent/src/config/defaults.toml").to_vec()],
};

pub(super) const CEREMONY: Target = Target {
    name: "ceremony-plan",
    about: "the file from which a ceremony is run",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = Plan::parse(text);
        }
    },
    seeds: || {
        vec![
            TEMPLATE.as_bytes().to_vec(),
            include_bytes!("../../../ca/src/ceremony/example.toml").to_vec(),
        ]
    },
};

pub(super) const PLANNER: Target = Target {
    name: "planner-profile",
    about: "the planner's profiles and catalogues",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
            let catalogue = CATALOGUE.get_or_init(|| Catalogue::builtin().expect("a catalogue of our own"));
            let _ = Profile::from_toml(text, catalogue);
            if let Ok(more) = Catalogue::from_toml(text) {
                let _ = catalogue.clone().with(more);
            }
        }
    },
    seeds: || vec![b"[organisation]\nname = \"fuzz\"\n".to_vec()],
};

pub(super) const ALGORITHMS: Target = Target {
    name: "algorithm-profile",
    about: "which algorithms a verifier takes, as data",
    shape: Shape::Bytes,
    max_len: 4 * 1024,
    body: |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            for profile in [
                AlgorithmProfile::from_toml(text),
                AlgorithmProfile::from_json(text),
            ] {
                let _ = profile.map(|profile| profile.rules().len());
            }
        }
    },
    seeds: || vec![include_bytes!("../../../pki/src/verify/profiles/cnsa-2.0.toml").to_vec()],
};

fn toml_of<T: serde::de::DeserializeOwned>(input: &[u8]) -> Option<T> {
    toml::from_str(std::str::from_utf8(input).ok()?).ok()
}
