//! Our descriptors against the published ones: spire-api-sdk's for the SPIRE services, go-spiffe's for the Workload
//! API. What they have, we have; what we have beyond them are fields of our own numbers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message as _;
use prost_types::field_descriptor_proto::Label;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};
use symbolon_api::{FILE_DESCRIPTOR_SET, FIRST_OWN_FIELD};
use symbolon_interop::programs::{self, GoProgram};

/// Everything that is on the wire, by full name, as one line each. What is not on it (comments, options, file names,
/// imports, `reserved`) is not here.
type Wire = BTreeMap<String, String>;

/// Reads the files of the packages that `wanted` selects.
fn read(encoded: &[u8], wanted: impl Fn(&str) -> bool) -> Wire {
    let set = FileDescriptorSet::decode(encoded).unwrap();
    let mut wire = Wire::new();
    for file in set.file.iter().filter(|file| wanted(file.package())) {
        add_file(file, &mut wire);
    }
    wire
}

fn add(wire: &mut Wire, name: String, line: String) {
    let before = wire.insert(name.clone(), line);
    assert_eq!(before, None, "{name} is there twice");
}

fn within(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        _ => format!("{scope}.{name}"),
    }
}

fn add_file(file: &FileDescriptorProto, wire: &mut Wire) {
    for message in &file.message_type {
        add_message(file.package(), message, wire);
    }
    for item in &file.enum_type {
        add_enum(file.package(), item, wire);
    }
    for service in &file.service {
        let name = within(file.package(), service.name());
        add(wire, name.clone(), "service".to_owned());
        for method in &service.method {
            let stream = |streams| if streams { "stream " } else { "" };
            let line = format!(
                "rpc ({}{}) returns ({}{})",
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type()
            );
            add(wire, within(&name, method.name()), line);
        }
    }
}

fn add_message(scope: &str, message: &DescriptorProto, wire: &mut Wire) {
    let name = within(scope, message.name());
    let is_map_entry = message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry());
    add(wire, name.clone(), format!("message, map entry: {is_map_entry}"));
    for field in &message.field {
        add(wire, within(&name, field.name()), describe(message, field));
    }
    for nested in &message.nested_type {
        add_message(&name, nested, wire);
    }
    for item in &message.enum_type {
        add_enum(&name, item, wire);
    }
}

fn describe(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let label = match field.label() {
        Label::Repeated => "repeated",
        Label::Required => "required",
        Label::Optional if field.proto3_optional() => "optional",
        Label::Optional => "single",
    };
    // The oneof that stands for a proto3 `optional` is the compiler's own.
    let oneof = match field.oneof_index {
        Some(index) if !field.proto3_optional() => message.oneof_decl[index as usize].name(),
        _ => "none",
    };
    format!(
        "field {}: {label} {} {}, oneof {oneof}, in JSON {}",
        field.number(),
        field.r#type().as_str_name(),
        field.type_name(),
        field.json_name()
    )
}

fn add_enum(scope: &str, item: &EnumDescriptorProto, wire: &mut Wire) {
    let name = within(scope, item.name());
    add(wire, name.clone(), "enum".to_owned());
    for value in &item.value {
        add(
            wire,
            within(&name, value.name()),
            format!("value {}", value.number()),
        );
    }
}

/// Whether a line is that of a field with a number of our own.
fn is_ours(line: &str) -> bool {
    line.strip_prefix("field ")
        .and_then(|rest| rest.split(':').next()?.parse::<i32>().ok())
        .is_some_and(|number| number >= FIRST_OWN_FIELD)
}

fn is_published(package: &str) -> bool {
    package.is_empty() || package.starts_with("spire.")
}

/// What differs, one sentence each.
fn differences(published: &Wire, ours: &Wire) -> Vec<String> {
    let missing = published.iter().filter_map(|(name, line)| match ours.get(name) {
        None => Some(format!("{name} is missing: {line}")),
        Some(own) if own != line => Some(format!("{name} is `{own}`, published is `{line}`")),
        Some(_) => None,
    });
    let added = ours
        .iter()
        .filter(|(name, line)| !published.contains_key(*name) && !is_ours(line))
        .map(|(name, line)| format!("{name} is not published: {line}"));
    missing.chain(added).collect()
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn our_descriptors_are_the_published_ones() {
    let program = GoProgram::build("descriptors", Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let printed = programs::run(&mut program.command()).unwrap();
    let published = read(&printed, is_published);
    let ours = read(FILE_DESCRIPTOR_SET, is_published);
    // That both sides were read at all.
    for name in [
        "SpiffeWorkloadAPI.FetchWITBundles",
        "X509SVID.x509_svid_key",
        "spire.api.server.agent.v1.Agent.AttestAgent",
        "spire.api.server.svid.v1.SVID.BatchNewX509SVID",
        "spire.api.types.Entry.additional_attributes",
        "spire.api.types.WITKey.key_id",
    ] {
        assert!(published.contains_key(name), "{name} is not in what is published");
    }
    let differences = differences(&published, &ours);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!("{} names are the same on both sides", published.len());
}

#[test]
fn a_difference_of_any_kind_is_told() {
    let wire = |lines: &[(&str, &str)]| -> Wire {
        lines
            .iter()
            .map(|(name, line)| ((*name).to_owned(), (*line).to_owned()))
            .collect()
    };
    let published = wire(&[("a.M", "message"), ("a.M.x", "field 1: single")]);
    assert!(differences(&published, &published).is_empty());
    assert_eq!(differences(&published, &wire(&[("a.M", "message")])).len(), 1);
    let renumbered = wire(&[("a.M", "message"), ("a.M.x", "field 2: single")]);
    assert_eq!(differences(&published, &renumbered).len(), 1);

    let mut added = published.clone();
    added.insert("a.M.form".to_owned(), format!("field {FIRST_OWN_FIELD}: single"));
    assert!(differences(&published, &added).is_empty());
    added.insert("a.M.y".to_owned(), "field 999: single".to_owned());
    assert_eq!(differences(&published, &added).len(), 1);
}
