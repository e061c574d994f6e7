//! What is refused, what is warned of, and that what is documented is so.

use std::path::Path;

use spiffe::TrustDomain;
use symbolon_host::logging::LogFormat;
use symbolon_hsm::{KekSpec, StoreLocation};
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
    let documented: ServerConfig = toml::from_str(include_str!("../defaults.toml")).unwrap();
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
            config.authorization.clone(),
            config.limits,
            config.migration,
            (
                config.health.clone(),
                config.metrics.clone(),
                config.traces.clone(),
            ),
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

/// A unit may write in its state directories and nowhere else, and what the guide has people write down works there.
#[test]
fn the_shipped_unit_may_write_where_the_guide_says() {
    let unit = include_str!("../../../../deploy/systemd/symbolon-server.service");
    let guide = include_str!("../../../../docs/src/deployment.md");
    let block = guide.split("```toml\n").nth(1).unwrap();
    let config: ServerConfig = toml::from_str(block.split("```").next().unwrap()).unwrap();
    config.validate().unwrap();
    assert!(!unit.contains("ReadWritePaths"));
    let states: Vec<PathBuf> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("StateDirectory="))
        .flat_map(str::split_whitespace)
        .map(|name| Path::new("/var/lib").join(name))
        .collect();
    let is_writable = |path: &Path| states.iter().any(|state| path.starts_with(state));
    assert!(is_writable(&config.data_dir));
    for location in locations(&config) {
        let StoreLocation::Software(store) = &location else {
            panic!("{location:?}");
        };
        let Some(KekSpec::KeyFile(file)) = &store.kek else {
            panic!("{location:?}");
        };
        assert!(is_writable(&store.dir) && is_writable(file), "{location:?}");
        assert!(!file.starts_with(&config.data_dir), "{location:?}");
    }
}

#[test]
fn the_documented_defaults_of_other_stores_are_the_defaults() {
    let documented = parse(include_str!("../stores.toml")).unwrap();
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
    let error =
        refusal("[stores.h]\nkind = \"pkcs11\"\nmodule = \"/m\"\ntoken = \"t\"\npin_source = \"hunter2\"");
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

/// As in SPIRE nobody has to have keys for WIT-SVIDs, or to say how long those would live.
#[test]
fn there_are_no_wit_authorities_unless_a_section_asks_for_them() {
    let without = parse("[lifetimes]\nauthority = \"30m\"\nsvid = \"5m\"\nagent = \"5m\"\n").unwrap();
    assert_eq!(without.validate().unwrap(), []);
    assert_eq!(without.plan(Family::Wit), None);
    let config = parse("[families.wit]\n").unwrap();
    assert_eq!(config.validate().unwrap(), []);
    let plan = config.plan(Family::Wit).unwrap();
    assert_eq!((plan.suite, plan.is_dispensable), (Suite::EcdsaP256, false));
    let long = parse("[lifetimes]\nauthority = \"30d\"\nwit = \"25h\"\n[families.wit]\n").unwrap();
    assert_eq!(long.validate().unwrap()[0].key, "lifetimes.wit");
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
            "[lifetimes]\nauthority = \"59s\"\nsvid = \"5s\"\nagent = \"5s\"\njwt = \"5s\"",
            "`lifetimes.authority` is 59s; at least 1m is needed",
        ),
        (
            "[federation]\ntimeout = \"0s\"",
            "`federation.timeout` is 0s; it can be 1s to 5m",
        ),
        ("[federation]\ntimeout = \"1h\"", "`federation.timeout` is 1h"),
        ("[health]\nlive_path = \"live\"", "`health.live_path`"),
        ("[health]\nport = 80", "port"),
        ("[metrics]\naddress = \"localhost\"", "address"),
        (
            "[traces]\nendpoint = \"https://collector:4317\"",
            "`traces.endpoint`",
        ),
        ("[traces]\npercent = 101", "`traces.percent`"),
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
        ("[families.wit]\nsuite = \"ecdsa-p384\"", "`families.wit.suite`"),
        ("[families.wit]\nstore = \"hsm\"", "`families.wit.store` is hsm"),
        (
            "[lifetimes]\nwit = \"25h\"\n[families.wit]",
            "`lifetimes.wit` is 25h, longer than the authority's 1d",
        ),
        (
            "[lifetimes]\nwit = \"0s\"\n[families.wit]",
            "`lifetimes.wit` is zero",
        ),
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
        (
            "[migration]\nquiet = \"0s\"",
            "`migration.quiet` is 0s; give 1s to 31d",
        ),
        ("[migration]\nquiet = \"32d\"", "`migration.quiet` is 32d"),
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
