use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use symbolon_api::retry_delay;
use symbolon_tls::grpc::client_network;
use tonic::Code;

use super::table::TABLE;
use super::*;
use crate::authorization::rules::{self, Rule, rule_of};

/// Services that are described together with the server's, and served by the agent.
const ELSEWHERE: [&str; 2] = ["SpiffeWorkloadAPI", "symbolon.workload.v1.Handshakes"];

/// The path of every method that the descriptors have.
fn described() -> BTreeSet<String> {
    let sets = [
        symbolon_api::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut paths = BTreeSet::new();
    for file in sets
        .into_iter()
        .flat_map(|set| FileDescriptorSet::decode(set).unwrap().file)
    {
        for service in &file.service {
            let name = [file.package(), service.name()]
                .into_iter()
                .filter(|part| !part.is_empty());
            let name = name.collect::<Vec<_>>().join(".");
            if ELSEWHERE.contains(&name.as_str()) {
                continue;
            }
            paths.extend(
                service
                    .method
                    .iter()
                    .map(|method| format!("/{name}/{}", method.name())),
            );
        }
    }
    paths
}

#[test]
fn every_method_of_every_service_is_in_both_tables() {
    let described = described();
    for path in &described {
        assert!(
            rule_of(path).is_some_and(|rule| rule != Rule::default()),
            "{path} has no rule"
        );
        assert!(limit_of(path).is_some(), "{path} has no limit");
    }
    let limited: Vec<String> = TABLE
        .iter()
        .flat_map(|service| {
            let name = service.service;
            service
                .methods
                .iter()
                .map(move |(method, _)| format!("/{name}/{method}"))
        })
        .collect();
    let ruled = rules::paths();
    for (table, paths) in [("limits", &limited), ("rules", &ruled)] {
        let distinct: BTreeSet<String> = paths.iter().cloned().collect();
        assert_eq!(
            distinct.len(),
            paths.len(),
            "a method stands twice in the table of {table}"
        );
        let unknown: Vec<_> = distinct.difference(&described).collect();
        assert!(
            unknown.is_empty(),
            "methods that do not exist are in the table of {table}: {unknown:?}"
        );
    }
}

#[test]
fn what_is_not_in_the_table_has_no_limit() {
    for path in [
        "",
        "/",
        "/spire.api.server.agent.v1.Agent",
        "/spire.api.server.agent.v1.Agent/",
        "/spire.api.server.agent.v1.Agent/attestagent",
        "//spire.api.server.agent.v1.Agent/AttestAgent",
    ] {
        assert_eq!(limit_of(path), None, "{path}");
    }
}

#[test]
fn what_spire_bounds_is_bounded() {
    let bounded = |path: &str| limit_of(&format!("/spire.api.server.{path}")).unwrap();
    for (path, limit) in [
        ("agent.v1.Agent/AttestAgent", Limit::Call(Class::Attestation)),
        ("agent.v1.Agent/RenewAgent", Limit::Call(Class::X509)),
        ("agent.v1.Agent/PostStatus", Limit::Call(Class::Status)),
        (
            "bundle.v1.Bundle/PublishJWTAuthority",
            Limit::Call(Class::KeyPush),
        ),
        (
            "bundle.v1.Bundle/PublishWITAuthority",
            Limit::Call(Class::KeyPush),
        ),
        ("svid.v1.SVID/BatchNewX509SVID", Limit::Items(Class::X509)),
        ("svid.v1.SVID/NewJWTSVID", Limit::Call(Class::Jwt)),
        ("svid.v1.SVID/BatchNewWITSVID", Limit::Items(Class::Wit)),
        ("svid.v1.SVID/NewDownstreamX509CA", Limit::Call(Class::X509)),
    ] {
        assert_eq!(bounded(path), limit, "{path}");
    }
}

fn stranger(number: u32) -> Source {
    at(Ipv4Addr::from(number).into())
}

fn at(address: IpAddr) -> Source {
    let key = Key::Network(client_network(address));
    Source::Remote { key, address }
}

const ATTEST: &str = "/spire.api.server.agent.v1.Agent/AttestAgent";
const BATCH: &str = "/spire.api.server.svid.v1.SVID/BatchNewX509SVID";

#[test]
fn calls_wait_for_their_turn_and_are_refused_when_it_is_far() {
    let config = LimitsConfig {
        wait: symbolon_host::duration::HumanDuration(Duration::from_secs(3)),
        ..LimitsConfig::default()
    };
    let limits = Limits::new(&config);
    let now = Instant::now();
    let attest =
        |source: Source, deadline| limits.meter_of(Class::Attestation, source, deadline).turn(1, now);
    for second in 0..=3 {
        assert_eq!(attest(stranger(1), None).unwrap(), Duration::from_secs(second));
    }
    let refused = attest(stranger(1), None).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(retry_delay(&refused), Some(Duration::from_secs(4)));
    assert!(refused.message().contains("1 attestations a second"), "{refused}");
    // Another caller has its own rate, and whoever has less time is told at once.
    assert_eq!(attest(stranger(2), None).unwrap(), Duration::ZERO);
    let hurried = attest(stranger(2), Some(Duration::from_millis(10))).unwrap_err();
    assert_eq!(retry_delay(&hurried), Some(Duration::from_secs(1)));
    for _ in 0..100 {
        assert_eq!(attest(Source::Local, None).unwrap(), Duration::ZERO);
    }
}

#[test]
fn machines_of_one_network_do_not_wait_for_each_other() {
    let limits = Limits::new(&LimitsConfig::default());
    let now = Instant::now();
    let attest = |source| {
        let hurried = Some(Duration::ZERO);
        limits.meter_of(Class::Attestation, source, hurried).turn(1, now)
    };
    let address = |number: u32| -> IpAddr { format!("2001:db8:1:2::{number:x}").parse().unwrap() };
    for number in 1..=OF_NETWORK {
        attest(at(address(number))).unwrap();
        assert!(attest(at(address(number))).is_err(), "once a second");
    }
    let refused = attest(at(address(OF_NETWORK + 1))).unwrap_err();
    assert!(refused.message().contains("32 attestations"), "{refused}");
    attest(at("2001:db8:1:3::1".parse().unwrap())).unwrap();
    // An identity gives no rate of its own.
    let known = |path: &str| Source::Remote {
        key: Key::Identity(spiffe::SpiffeId::new(format!("spiffe://example.org{path}")).unwrap()),
        address: "192.0.2.1".parse().unwrap(),
    };
    attest(known("/a")).unwrap();
    assert!(attest(known("/b")).is_err());
    assert!(attest(at("::ffff:192.0.2.1".parse().unwrap())).is_err());
}

#[tokio::test]
async fn a_batch_counts_by_its_items_and_says_whether_it_was_counted() {
    let limits = Limits::new(&LimitsConfig::default());
    let (_, meter) = limits.meter(BATCH, stranger(1), None).unwrap();
    let meter = meter.unwrap();
    assert!(!meter.was_used());
    let mut request = Request::new(());
    request.extensions_mut().insert(meter.clone());
    let status = charge(&request, 501).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("exceeds burst size (500)"), "{status}");
    charge(&request, 500).await.unwrap();
    assert!(meter.was_used());
    let later = meter.turn(250, Instant::now()).unwrap();
    assert!(
        later > Duration::ZERO && later <= Duration::from_millis(500),
        "{later:?}"
    );
    // Certificates of all kinds of calls are counted together, tokens by themselves.
    let other = |class| {
        limits
            .meter_of(class, stranger(1), Some(Duration::ZERO))
            .turn(1, Instant::now())
    };
    assert!(other(Class::X509).is_err());
    assert!(other(Class::Jwt).is_ok() && other(Class::Wit).is_ok());
}

#[test]
fn a_call_that_counts_by_itself_needs_no_meter() {
    let limits = Limits::new(&LimitsConfig::default());
    let (wait, meter) = limits.meter(ATTEST, stranger(1), None).unwrap();
    assert!(wait.is_zero() && meter.is_none());
    let hurried = limits.meter(ATTEST, stranger(1), Some(Duration::ZERO));
    assert_eq!(hurried.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn whoever_waits_for_its_turn_keeps_nobody_from_a_place() {
    let config = LimitsConfig {
        calls: 4,
        ..LimitsConfig::OFF
    };
    let limits = Limits::new(&config);
    // Strangers have one place of four, and four may wait for it.
    let (caller, waiting, further) = (Caller::Anonymous, stranger(1), stranger(5));
    let wait = |source| limits.wait(&caller, source, Duration::from_secs(600));
    let sources: Vec<_> = (1..=4).map(stranger).collect();
    let mut all: Vec<_> = sources.iter().map(|source| Box::pin(wait(source))).collect();
    for one in &mut all {
        assert!(futures_util::poll!(one).is_pending());
    }
    let place = limits.admit(&caller, &waiting).unwrap();
    assert!(limits.admit(&caller, &waiting).is_err());
    assert!(wait(&further).await.is_err(), "no more may wait");
    drop((place, all));
    limits.wait(&caller, &waiting, Duration::ZERO).await.unwrap();
}

#[test]
fn every_call_from_elsewhere_ends_except_for_the_agents_sync() {
    let files = FileDescriptorSet::decode(symbolon_api::FILE_DESCRIPTOR_SET).unwrap();
    let mut streams = BTreeSet::new();
    for file in &files.file {
        for service in &file.service {
            for method in &service.method {
                if method.client_streaming() || method.server_streaming() {
                    streams.insert(format!(
                        "/{}.{}/{}",
                        file.package(),
                        service.name(),
                        method.name()
                    ));
                }
            }
        }
    }
    let sync = "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries";
    let agent = crate::caller::tests::x509("/spire/agent/x/a");
    for path in described() {
        for caller in [&Caller::Anonymous, &agent] {
            let bounds = Bounds::of(&path, caller);
            assert_eq!(bounds.reply.is_some(), path != sync, "{path}");
            let is_stream = streams.contains(&path) || !path.starts_with("/spire.");
            assert!(is_stream || bounds.request.is_some(), "{path}");
        }
        let local = Bounds::of(&path, &Caller::Local { pid: None, uid: 0 });
        assert_eq!((local.request, local.reply), (None, None), "{path}");
    }
    for path in streams.iter().filter(|path| limit_of(path).is_some()) {
        assert_eq!(Bounds::of(path, &agent).request, None, "{path} is a conversation");
    }
}

#[tokio::test]
async fn what_nobody_thought_of_is_refused() {
    let limits = Limits::new(&LimitsConfig::default());
    let status = limits.meter("/a.B/C", Source::Local, None).unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let status = charge(&Request::new(()), 1).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}
