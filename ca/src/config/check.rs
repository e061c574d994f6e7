//! What a configuration must keep to beyond its syntax, and what its author should be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use symbolon_host::duration::HumanDuration;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::Suite;

use super::{Place, ServerConfig};
use crate::authorities::{may_be_alternative, may_sign};

/// Lifetimes of X.509-SVIDs above this one are warned of.
const LONG_SVID: Duration = Duration::from_secs(24 * 60 * 60);
/// Lifetimes of JWT-SVIDs above this one are warned of: whoever finds a token can use it as long.
const LONG_JWT: Duration = Duration::from_secs(15 * 60);

/// A value that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}` {reason}")]
pub struct Problem {
    /// The key, with the sections it is in.
    pub key: String,
    /// What is wrong with its value, and what would be right.
    pub reason: String,
}

/// A value that works and is likely not what its author wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The key, with the sections it is in.
    pub key: String,
    /// What it will lead to.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key, self.reason)
    }
}

pub(super) fn problem(key: impl Into<String>, reason: impl Into<String>) -> Problem {
    Problem {
        key: key.into(),
        reason: reason.into(),
    }
}

impl ServerConfig {
    /// Checks the configuration without touching anything: no file is opened and no socket bound.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn validate(&self) -> Result<Vec<Warning>, Problem> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(problem("data_dir", "is empty"));
        }
        let name_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.server_name.is_empty()
            || self.server_name.len() > 64
            || !self.server_name.chars().all(name_ok)
        {
            return Err(problem(
                "server_name",
                "must be 1 to 64 letters, digits, `.`, `-` and `_`",
            ));
        }
        for (name, store) in &self.effective_stores() {
            store.check(name, self.default_key_file())?;
        }
        self.check_families()?;
        self.check_lifetimes()
    }

    fn check_families(&self) -> Result<(), Problem> {
        let stores = self.effective_stores();
        if let Some(unknown) = self.key_stores.iter().find(|name| !stores.contains_key(name)) {
            return Err(no_section("key_stores", unknown));
        }
        for family in self.families() {
            let key = |field: &str| format!("families.{}.{field}", family.family);
            let fits = |suite: &Suite| may_sign(family.family, *suite);
            if !fits(&family.suite) {
                let allowed: Vec<_> = Suite::ALL.into_iter().filter(fits).map(Suite::name).collect();
                let reason = format!(
                    "is {}; this family signs with one of {}",
                    family.suite,
                    allowed.join(", ")
                );
                return Err(problem(key("suite"), reason));
            }
            if let Some(alternative) = family.alternative.filter(|suite| !may_be_alternative(*suite)) {
                let allowed: Vec<_> = Suite::ALL
                    .into_iter()
                    .filter(|suite| may_be_alternative(*suite))
                    .map(Suite::name)
                    .collect();
                let reason = format!(
                    "is {alternative}; an alternative key is of one of {}",
                    allowed.join(", ")
                );
                return Err(problem(key("alternative"), reason));
            }
            let components = family.component_count();
            let Place::In(names) = family.place else {
                continue;
            };
            if names.len() != 1 && names.len() != components {
                let reason = format!(
                    "names {} stores; give one, or one for each of {components}",
                    names.len()
                );
                return Err(problem(key("store"), reason));
            }
            if let Some(unknown) = names.iter().find(|name| !stores.contains_key(name)) {
                return Err(no_section(key("store"), unknown));
            }
        }
        Ok(())
    }

    fn check_lifetimes(&self) -> Result<Vec<Warning>, Problem> {
        let lifetimes = &self.lifetimes;
        let all = [
            ("lifetimes.authority", lifetimes.authority, None),
            (
                "lifetimes.svid",
                lifetimes.svid,
                Some((LONG_SVID, "a stolen key serves as long")),
            ),
            (
                "lifetimes.agent",
                lifetimes.agent,
                Some((LONG_SVID, "a stolen key serves as long")),
            ),
            (
                "lifetimes.jwt",
                lifetimes.jwt,
                Some((LONG_JWT, "whoever finds a token can use it as long")),
            ),
        ];
        let mut warnings = Vec::new();
        for (key, lifetime, advice) in all {
            if lifetime.0.is_zero() {
                return Err(problem(key, "is zero"));
            }
            let longest = lifetimes.authority.0;
            if lifetime.0 > longest {
                let reason = format!(
                    "is {lifetime}, longer than the authority's {}",
                    lifetimes.authority
                );
                return Err(problem(key, reason));
            }
            if let Some((limit, why)) = advice.filter(|(limit, _)| lifetime.0 > *limit) {
                let reason = format!("is {lifetime}; above {} {why}", HumanDuration(limit));
                warnings.push(Warning {
                    key: key.to_owned(),
                    reason,
                });
            } else if advice.is_some() && lifetime.0 > longest / 6 {
                let reason = format!(
                    "is {lifetime}; authorities sign until a sixth of their {} is left, so some will live shorter",
                    lifetimes.authority
                );
                warnings.push(Warning {
                    key: key.to_owned(),
                    reason,
                });
            }
        }
        Ok(warnings)
    }

    /// Beside the data directory, and so not in it: `None` where that is the root.
    pub(super) fn default_key_file(&self) -> Option<PathBuf> {
        let mut name = self.data_dir.file_name()?.to_owned();
        name.push(".key");
        Some(self.data_dir.with_file_name(name))
    }
}

fn no_section(key: impl Into<String>, store: &StoreName) -> Problem {
    problem(
        key,
        format!("is {store}, and there is no section [stores.{store}]"),
    )
}

#[cfg(test)]
mod tests {
    use spiffe::TrustDomain;
    use symbolon_host::logging::LogFormat;
    use symbolon_hsm::StoreLocation;
    use symbolon_pki::suite::Family;

    use super::*;
    const MINIMAL: &str = "trust_domain = \"example.org\"\ndata_dir = \"/var/lib/symbolon\"\n";

    fn parse(text: &str) -> Result<ServerConfig, toml::de::Error> {
        toml::from_str(&format!("{MINIMAL}{text}"))
    }

    fn refusal(text: &str) -> String {
        match parse(text) {
            Ok(config) => config.validate().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let documented: ServerConfig = toml::from_str(include_str!("defaults.toml")).unwrap();
        let minimal = parse("").unwrap();
        assert_eq!(
            minimal,
            ServerConfig::new(TrustDomain::new("example.org").unwrap(), "/var/lib/symbolon")
        );
        assert_eq!(minimal.validate().unwrap(), []);
        assert_eq!(documented.validate().unwrap(), []);

        assert_eq!(places(&documented), places(&minimal));
        assert_eq!(minimal.families().len(), 5);
        assert_eq!(locations(&documented), locations(&minimal));
        let rest = |config: &ServerConfig| {
            let (listen, lifetimes, log) = (config.listen.clone(), config.lifetimes, config.log.clone());
            (
                config.server_name.clone(),
                config.signer_threads,
                listen,
                lifetimes,
                log,
            )
        };
        assert_eq!(rest(&documented), rest(&minimal));
    }

    /// Each family with its suite and the stores its key may go to; one store alone is the same either way.
    fn places(config: &ServerConfig) -> Vec<(Family, Suite, Option<Suite>, Vec<StoreName>)> {
        let families = config.families().into_iter();
        families
            .map(|plan| {
                let stores = plan.place.stores().to_vec();
                (plan.family, plan.suite, plan.alternative, stores)
            })
            .collect()
    }

    fn locations(config: &ServerConfig) -> Vec<StoreLocation> {
        let stores = config.effective_stores();
        stores
            .iter()
            .map(|(name, store)| config.location(name, store))
            .collect()
    }

    #[test]
    fn the_documented_defaults_of_other_stores_are_the_defaults() {
        let documented = parse(include_str!("stores.toml")).unwrap();
        let minimal = parse(
            "[stores.hsm]\nkind = \"pkcs11\"\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\ntoken = \"ca\"\n\
             pin_source = \"file:/etc/symbolon/pin\"\n[stores.tpm]\nkind = \"tpm\"\n",
        );
        assert_eq!(locations(&documented), locations(&minimal.unwrap()));
    }

    #[test]
    fn a_build_without_tpm_says_so_before_anything_else_happens() {
        let config = parse("key_stores = \"t\"\n[stores.t]\nkind = \"tpm\"\n").unwrap();
        match (symbolon_hsm::tpm::IS_BUILT, config.validate()) {
            (true, validated) => assert_eq!(validated.unwrap(), []),
            (false, validated) => {
                let problem = validated.unwrap_err().to_string();
                assert!(
                    problem.contains("`stores.t.kind` is tpm") && problem.contains("feature"),
                    "{problem}"
                );
            }
        }
    }

    #[test]
    fn a_pin_in_the_place_of_its_source_is_not_repeated() {
        let error = refusal(
            "[stores.h]\nkind = \"pkcs11\"\nmodule = \"/m\"\ntoken = \"t\"\npin_source = \"hunter2\"",
        );
        assert!(
            error.contains("file:PATH") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn every_section_can_be_set() {
        let config = parse(
            "[listen]\naddress = \"[::1]:0\"\nallow_classical_kex = true\n\
             [lifetimes]\nauthority = \"7d\"\n\
             [stores.a]\nkind = \"software\"\npassphrase_env = \"SECRET\"\n\
             [stores.b]\nkind = \"software\"\ndir = \"/keys\"\nkey_file = \"/kek\"\n\
             [families.classical]\nsuite = \"ecdsa-p384\"\nstore = \"b\"\n\
             [families.ml-dsa]\nstore = \"a\"\n[families.jwt]\nstore = \"a\"\n\
             [families.composite]\nsuite = \"mldsa44-ed25519\"\nstore = [\"a\", \"b\"]\n\
             [families.catalyst]\nsuite = \"ecdsa-p384\"\nalternative = \"ml-dsa-87\"\nstore = [\"b\", \"a\"]\n\
             [log]\nfilter = \"debug\"\nformat = \"json\"\n",
        )
        .unwrap();
        assert_eq!(config.validate().unwrap(), []);
        assert_eq!(config.log.format, LogFormat::Json);
        let composite = config
            .families()
            .into_iter()
            .find(|f| f.family == Family::Composite);
        let composite = composite.unwrap();
        assert_eq!(composite.suite, Suite::MlDsa44Ed25519);
        let names = ["a", "b"].map(|name| StoreName::parse(name).unwrap());
        assert_eq!(composite.place, Place::In(names.to_vec()));
        let catalyst = config.plan(Family::Catalyst).unwrap();
        assert_eq!(
            (catalyst.suite, catalyst.alternative),
            (Suite::EcdsaP384, Some(Suite::MlDsa87))
        );
        assert_eq!(catalyst.place.stores(), [names[1].clone(), names[0].clone()]);
        let config = parse(
            "key_stores = [\"b\", \"a\"]\n[stores.a]\nkind = \"software\"\n[stores.b]\nkind = \"pkcs11\"\n\
             module = \"/m.so\"\nslot = 3\n[families.jwt]\nstore = \"a\"\n",
        )
        .unwrap();
        assert_eq!(config.validate().unwrap(), []);
        let [a, b] = names;
        let place = |family| config.plan(family).unwrap().place;
        assert_eq!(place(Family::MlDsa), Place::FirstOf(vec![b, a.clone()]));
        assert_eq!(place(Family::Jwt), Place::In(vec![a]));
    }

    #[test]
    fn a_configuration_from_before_catalyst_goes_on_without_it() {
        let text = "[stores.hsm]\nkind = \"pkcs11\"\nmodule = \"/m\"\ntoken = \"t\"\n";
        let placed = ["classical", "ml-dsa", "composite", "jwt"]
            .map(|family| format!("[families.{family}]\nstore = \"hsm\"\n"))
            .concat();
        let config = parse(&format!("{text}{placed}")).unwrap();
        assert_eq!(config.validate().unwrap(), []);
        assert_eq!(config.plan(Family::Catalyst), None);
        let error = refusal(&format!("{text}{placed}[families.catalyst]\n"));
        assert!(
            error.contains("`families.catalyst.store` is software, and there is no section"),
            "{error}"
        );
        let config = parse(&format!("key_stores = \"hsm\"\n{text}{placed}")).unwrap();
        let plan = config.plan(Family::Catalyst).unwrap();
        assert!(plan.is_dispensable && plan.component_count() == 2);
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, words) in [
            ("colour = 1", "colour"),
            ("[listen]\nport = 1", "port"),
            ("[listen]\naddress = \"somewhere\"", "address"),
            ("[lifetimes]\nsvid = \"1 hour\"", "1 hour"),
            ("[lifetimes]\njwt = \"0s\"", "`lifetimes.jwt` is zero"),
            (
                "[lifetimes]\nsvid = \"25h\"",
                "`lifetimes.svid` is 25h, longer than the authority's 1d",
            ),
            ("server_name = \"a/b\"", "server_name"),
            ("[stores.a]\nkind = \"paper\"", "paper"),
            ("[stores.a]\nkind = \"software\"\npin = 1", "pin"),
            ("[stores.A]\nkind = \"software\"", "a-z"),
            ("[stores.h]\nkind = \"pkcs11\"\ntoken = \"t\"", "module"),
            (
                "[stores.h]\nkind = \"pkcs11\"\nmodule = \"/m\"",
                "`stores.h.token` must be given",
            ),
            (
                "[stores.h]\nkind = \"pkcs11\"\nmodule = \"/m\"\ntoken = \"t\"\npin = \"1234\"",
                "unknown field `pin`",
            ),
            (
                "[stores.h]\nkind = \"pkcs11\"\nmodule = \"/m\"\ntoken = \"t\"\nmax_sessions = 0",
                "`stores.h.max_sessions` is 0; it can be 1 to 256",
            ),
            (
                "[stores.h]\nkind = \"pkcs11\"\nmodule = \"/m\"\ntoken = \"t\"\ndeadline = \"2h\"",
                "`stores.h.deadline` is 2h",
            ),
            (
                "[stores.t]\nkind = \"tpm\"\ntcti = \"tpm0\"",
                "device:/dev/tpmrm0",
            ),
            ("[stores.t]\nkind = \"tpm\"\npcrs = \"7\"", "sha256:7"),
            (
                "key_stores = [\"hsm\"]",
                "`key_stores` is hsm, and there is no section",
            ),
            (
                "[stores.a]\nkind = \"software\"\nkey_file = \"/k\"\npassphrase_env = \"P\"",
                "more than one",
            ),
            ("[stores.a]\nkind = \"software\"", "[stores.software]"),
            (
                "[families.ml-dsa]\nsuite = \"ecdsa-p256\"",
                "ml-dsa-44, ml-dsa-65, ml-dsa-87",
            ),
            ("[families.jwt]\nsuite = \"ml-dsa-65\"", "`families.jwt.suite`"),
            ("[families.classical]\nsuite = \"rot13\"", "rot13"),
            (
                "[families.classical]\nstore = [\"software\", \"software\"]",
                "names 2 stores",
            ),
            ("[families.classical]\nstore = []", "empty"),
            ("[families.classical]\nstore = 7", "a store's name"),
            ("[families.paired]\nstore = \"software\"", "paired"),
            (
                "[families.catalyst]\nsuite = \"ml-dsa-65\"",
                "`families.catalyst.suite` is ml-dsa-65; this family signs with one of ecdsa-p256, ecdsa-p384",
            ),
            (
                "[families.catalyst]\nalternative = \"mldsa65-ecdsa-p256\"",
                "an alternative key is of one of ml-dsa-44, ml-dsa-65, ml-dsa-87",
            ),
            (
                "[families.catalyst]\nstore = [\"software\", \"software\", \"software\"]",
                "names 3 stores",
            ),
            ("[families.classical]\nalternative = \"ml-dsa-65\"", "alternative"),
        ] {
            let error = refusal(text);
            assert!(error.contains(words), "{text:?} gave {error:?}");
        }
        assert!(
            toml::from_str::<ServerConfig>("data_dir = \"/x\"")
                .unwrap_err()
                .to_string()
                .contains("trust_domain")
        );
        let wrong = "trust_domain = \"Not One\"\ndata_dir = \"/x\"";
        assert!(toml::from_str::<ServerConfig>(wrong).is_err());
    }

    #[test]
    fn long_lifetimes_are_warned_of() {
        let config = parse("[lifetimes]\nauthority = \"30d\"\nsvid = \"25h\"\njwt = \"16m\"").unwrap();
        let warnings = config.validate().unwrap();
        assert_eq!(
            warnings.iter().map(|w| w.key.as_str()).collect::<Vec<_>>(),
            ["lifetimes.svid", "lifetimes.jwt"]
        );
        let config = parse("[lifetimes]\nsvid = \"5h\"").unwrap();
        assert!(config.validate().unwrap()[0].to_string().contains("sixth"));
    }
}
