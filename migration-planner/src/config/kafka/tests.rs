use super::*;
use crate::config::testing::{finds, outline, stands};

#[test]
fn a_broker() {
    let sample = include_str!("server.properties");
    finds(
        &Kafka,
        "server.properties",
        sample,
        include_str!("server.properties.outline"),
    );
    stands(
        &Kafka,
        "server.properties",
        sample,
        &[b"changeit123", b"hunter2secret"],
    );
}

#[test]
fn listeners_may_be_called_as_their_protocols_and_take_what_has_no_prefix() {
    let sample = "process.roles=broker,controller\n\
        listeners=SASL_SSL://:9092,CONTROLLER://:9093,PLAIN://:9095\n\
        advertised.listeners=SASL_SSL://b1.example.org:9092\n\
        listener.security.protocol.map=CONTROLLER:SSL,SASL_SSL:SASL_SSL,PLAIN:SASL_PLAINTEXT\n\
        ssl.enabled.protocols=TLSv1.3\n\
        ssl.client.auth=required\n\
        listener.name.sasl_ssl.ssl.keystore.location=/etc/kafka/a.p12\n\
        listener.name.sasl_ssl.ssl.keystore.password=hidden-hidden\n\
        listener.name.ssl.ssl.truststore.location=/etc/kafka/t.p12\n\
        listener.name.plain.sasl.enabled.mechanisms=SCRAM-SHA-512\n";
    let all = outline(&Kafka, "server.properties", sample);
    for line in [
        "service Kafka broker @2 [tls://*:9093 tls://b1.example.org:9092] asks",
        "  plain-connections=SASL_PLAINTEXT on *:9095",
        "service Kafka broker listener.name.sasl_ssl @7 []",
        "  certificate-file=/etc/kafka/a.p12",
        "service Kafka broker listener.name.ssl @9 [] asks",
        "  trust-file=/etc/kafka/t.p12",
        "material password of a keystore @8",
        "service Kafka broker listener.name.plain @10 []",
    ] {
        assert!(all.iter().any(|said| said == line), "{line}\n{}", all.join("\n"));
    }
    let protocols = all.iter().filter(|line| line.starts_with("TLS 1.3 @5")).count();
    assert_eq!(protocols, 3, "two listeners and the broker\n{}", all.join("\n"));
    stands(&Kafka, "server.properties", sample, &[b"hidden-hidden"]);
}

#[test]
fn many_prefixes_are_read_and_those_beyond_are_noted() {
    let text: String = (0..5000)
        .map(|at| format!("c{at:04}.ssl.keystore.location=/k/{at}\n"))
        .collect();
    let all = outline(&Kafka, "worker.properties", &text);
    let services = all.iter().filter(|line| line.starts_with("service")).count();
    assert_eq!(services, MAX_PREFIXES);
    assert!(all.iter().any(|line| line.starts_with("unread too-large")));
}
