//! What the exported descriptors say is what other people's software was built against.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml exempts test functions, and these are their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
};
use symbolon_api::{FILE_DESCRIPTOR_SET, FIRST_OWN_FIELD};

fn files() -> Vec<FileDescriptorProto> {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file
}

/// All files but those of protobuf itself.
fn our_files() -> Vec<FileDescriptorProto> {
    files()
        .into_iter()
        .filter(|file| !file.name().starts_with("google/"))
        .collect()
}

/// Joins a package or message with a name in it; the Workload API has no package.
fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

/// Every message of a file with its full name, nested ones and map entries included.
fn messages(file: &FileDescriptorProto) -> Vec<(String, &DescriptorProto)> {
    fn walk<'a>(
        scope: &str,
        messages: &'a [DescriptorProto],
        found: &mut Vec<(String, &'a DescriptorProto)>,
    ) {
        for message in messages {
            let name = within(scope, message.name());
            found.push((name.clone(), message));
            walk(&name, &message.nested_type, found);
        }
    }
    let mut found = Vec::new();
    walk(file.package(), &file.message_type, &mut found);
    found
}

/// Every enumeration of a file with its full name.
fn enums(file: &FileDescriptorProto) -> Vec<(String, &EnumDescriptorProto)> {
    let at_top = file
        .enum_type
        .iter()
        .map(|item| (within(file.package(), item.name()), item));
    let inside = messages(file).into_iter().flat_map(|(name, message)| {
        message
            .enum_type
            .iter()
            .map(move |item| (within(&name, item.name()), item))
            .collect::<Vec<_>>()
    });
    at_top.chain(inside).collect()
}

#[test]
fn files_lie_where_their_package_says() {
    for file in our_files() {
        let folder = file.package().replace('.', "/");
        // SPIFFE's file has no package; it stands where go-spiffe has it.
        let folder = if folder.is_empty() {
            "spiffe/workload"
        } else {
            &folder
        };
        assert_eq!(
            Path::new(file.name()).parent(),
            Some(Path::new(folder)),
            "{}",
            file.name()
        );
        assert_eq!(file.syntax(), "proto3");
    }
}

#[test]
fn imports_are_among_the_descriptors_and_come_first() {
    let mut seen = BTreeSet::new();
    for file in files() {
        for import in &file.dependency {
            assert!(seen.contains(import), "{} imports {import}", file.name());
        }
        seen.insert(file.name().to_owned());
    }
}

#[test]
fn services_and_methods_are_complete() {
    let expected: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        (
            "SpiffeWorkloadAPI",
            vec![
                "FetchX509SVID => stream",
                "FetchX509Bundles => stream",
                "FetchJWTSVID =>",
                "FetchJWTBundles => stream",
                "ValidateJWTSVID =>",
                "FetchWITSVID => stream",
                "FetchWITBundles => stream",
            ],
        ),
        (
            "spire.api.server.agent.v1.Agent",
            vec![
                "CountAgents =>",
                "ListAgents =>",
                "GetAgent =>",
                "DeleteAgent =>",
                "BanAgent =>",
                "AttestAgent stream => stream",
                "RenewAgent =>",
                "CreateJoinToken =>",
                "PostStatus =>",
            ],
        ),
        (
            "spire.api.server.bundle.v1.Bundle",
            vec![
                "CountBundles =>",
                "GetBundle =>",
                "AppendBundle =>",
                "PublishJWTAuthority =>",
                "PublishWITAuthority =>",
                "ListFederatedBundles =>",
                "GetFederatedBundle =>",
                "BatchCreateFederatedBundle =>",
                "BatchUpdateFederatedBundle =>",
                "BatchSetFederatedBundle =>",
                "BatchDeleteFederatedBundle =>",
            ],
        ),
        ("spire.api.server.debug.v1.Debug", vec!["GetInfo =>"]),
        (
            "spire.api.server.entry.v1.Entry",
            vec![
                "CountEntries =>",
                "ListEntries =>",
                "GetEntry =>",
                "BatchCreateEntry =>",
                "BatchUpdateEntry =>",
                "BatchDeleteEntry =>",
                "GetAuthorizedEntries =>",
                "SyncAuthorizedEntries stream => stream",
            ],
        ),
        (
            "spire.api.server.localauthority.v1.LocalAuthority",
            vec![
                "GetJWTAuthorityState =>",
                "PrepareJWTAuthority =>",
                "ActivateJWTAuthority =>",
                "TaintJWTAuthority =>",
                "RevokeJWTAuthority =>",
                "GetX509AuthorityState =>",
                "PrepareX509Authority =>",
                "ActivateX509Authority =>",
                "TaintX509Authority =>",
                "TaintX509UpstreamAuthority =>",
                "RevokeX509Authority =>",
                "RevokeX509UpstreamAuthority =>",
                "GetWITAuthorityState =>",
                "PrepareWITAuthority =>",
                "ActivateWITAuthority =>",
                "TaintWITAuthority =>",
                "RevokeWITAuthority =>",
            ],
        ),
        (
            "spire.api.server.logger.v1.Logger",
            vec!["GetLogger =>", "SetLogLevel =>", "ResetLogLevel =>"],
        ),
        (
            "spire.api.server.svid.v1.SVID",
            vec![
                "MintX509SVID =>",
                "MintJWTSVID =>",
                "MintWITSVID =>",
                "BatchNewX509SVID =>",
                "NewJWTSVID =>",
                "BatchNewWITSVID =>",
                "NewDownstreamX509CA =>",
            ],
        ),
        (
            "spire.api.server.trustdomain.v1.TrustDomain",
            vec![
                "ListFederationRelationships =>",
                "GetFederationRelationship =>",
                "BatchCreateFederationRelationship =>",
                "BatchUpdateFederationRelationship =>",
                "BatchDeleteFederationRelationship =>",
                "RefreshBundle =>",
            ],
        ),
        (
            "symbolon.server.v1.Authorities",
            vec![
                "ListAuthorities =>",
                "GetAuthority =>",
                "PrepareAuthority =>",
                "ActivateAuthority =>",
                "TaintAuthority =>",
                "RevokeAuthority =>",
                "RotateAuthority =>",
            ],
        ),
        (
            "symbolon.server.v1.Certificates",
            vec!["ListCertificates =>", "GetCertificate =>"],
        ),
        (
            "symbolon.server.v1.Migration",
            vec!["GetMigration =>", "SetStage =>", "SyncMigration =>"],
        ),
        ("symbolon.server.v1.Server", vec!["GetServerInfo =>"]),
        ("symbolon.workload.v1.Handshakes", vec!["ReportHandshakes =>"]),
    ]);

    let mut found = BTreeMap::new();
    for file in our_files() {
        for service in &file.service {
            let methods: Vec<String> = service
                .method
                .iter()
                .map(|method| {
                    let stream = |streams: bool| if streams { " stream" } else { "" };
                    let (client, server) = (
                        stream(method.client_streaming()),
                        stream(method.server_streaming()),
                    );
                    format!("{}{client} =>{server}", method.name())
                })
                .collect();
            found.insert(within(file.package(), service.name()), methods);
        }
    }
    let found: BTreeMap<&str, Vec<&str>> = found
        .iter()
        .map(|(name, methods)| (name.as_str(), methods.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn high_field_numbers_are_ours_and_no_others() {
    let mut high = BTreeSet::new();
    for file in our_files() {
        for (name, message) in messages(&file) {
            for field in message
                .field
                .iter()
                .filter(|field| field.number() >= FIRST_OWN_FIELD)
            {
                high.insert(format!("{name}.{} = {}", field.name(), field.number()));
            }
        }
    }
    let ours = [
        "X509SVID.alternative_key = 1001",
        "X509SVID.form = 1000",
        "X509SVID.migration_stage = 1003",
        "X509SVID.migration_target = 1002",
        "spire.api.server.svid.v1.NewX509SVIDParams.form = 1000",
        "spire.api.types.Entry.allowed_forms = 1000",
        "spire.api.types.Entry.leaf_key_algorithms = 1003",
        "spire.api.types.Entry.not_after = 1002",
        "spire.api.types.Entry.not_before = 1001",
        "spire.api.types.Entry.owner = 1004",
        "spire.api.types.EntryMask.allowed_forms = 1000",
        "spire.api.types.EntryMask.leaf_key_algorithms = 1003",
        "spire.api.types.EntryMask.not_after = 1002",
        "spire.api.types.EntryMask.not_before = 1001",
        "spire.api.types.EntryMask.owner = 1004",
        "spire.api.types.X509SVID.form = 1000",
    ];
    assert_eq!(high, ours.map(str::to_owned).into());
}

#[test]
fn no_name_or_number_repeats() {
    fn assert_unique<T: Ord + std::fmt::Debug>(scope: &str, values: impl IntoIterator<Item = T>) {
        let mut seen = BTreeSet::new();
        for value in values {
            assert!(!seen.contains(&value), "{scope} has {value:?} twice");
            seen.insert(value);
        }
    }

    let files = our_files();
    assert_unique(
        "the tree",
        files
            .iter()
            .flat_map(|file| messages(file).into_iter().map(|(name, _)| name)),
    );
    for file in &files {
        for (name, message) in messages(file) {
            assert_unique(&name, message.field.iter().map(FieldDescriptorProto::name));
            assert_unique(&name, message.field.iter().map(FieldDescriptorProto::json_name));
            assert_unique(&name, message.field.iter().map(FieldDescriptorProto::number));
        }
        for (name, item) in enums(file) {
            assert_unique(&name, item.value.iter().map(|value| value.name().to_owned()));
            assert_unique(&name, item.value.iter().map(|value| value.number()));
            assert!(
                item.value.iter().any(|value| value.number() == 0),
                "{name} has no value 0"
            );
        }
        for service in &file.service {
            assert_unique(
                service.name(),
                service.method.iter().map(|method| method.name().to_owned()),
            );
        }
    }
}

/// A mask flag stands for the field of its own name and number, so a field's name must find its flag and its number too.
#[test]
fn masks_follow_what_they_mask() {
    let files = our_files();
    let all: BTreeMap<String, &DescriptorProto> = files.iter().flat_map(messages).collect();
    for masked in ["Agent", "Bundle", "Entry"] {
        let message = all[&format!("spire.api.types.{masked}")];
        let mask = all[&format!("spire.api.types.{masked}Mask")];
        let fields = |message: &DescriptorProto| -> BTreeSet<(i32, String)> {
            message
                .field
                .iter()
                .map(|field| (field.number(), field.name().to_owned()))
                .collect()
        };
        let maskable = fields(message)
            .into_iter()
            .filter(|(number, _)| *number != 1)
            .collect();
        assert_eq!(fields(mask), maskable, "{masked}Mask");
        assert!(mask.field.iter().all(|flag| flag.r#type() == Type::Bool));
    }
}

/// Every message, field, enumeration and method, one a line, stands in `tests/wire.txt`: a change of the wire cannot
/// pass review unseen. After a change that is meant, run this test once with `SYMBOLON_WRITE_WIRE=1`.
#[test]
fn the_wire_is_as_written_down() {
    let mut wire = String::new();
    for file in our_files() {
        describe(&file, &mut wire);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire.txt");
    if env::var_os("SYMBOLON_WRITE_WIRE").is_some() {
        fs::write(&path, &wire).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (now, then) = (lines(&wire), lines(&written));
    let gone: Vec<_> = then.difference(&now).collect();
    let new: Vec<_> = now.difference(&then).collect();
    assert!(
        wire == written,
        "the wire differs from {}:\ngone {gone:#?}\nnew {new:#?}",
        path.display()
    );
}

fn describe(file: &FileDescriptorProto, wire: &mut String) {
    writeln!(wire, "file {}", file.name()).unwrap();
    for service in &file.service {
        let name = within(file.package(), service.name());
        for method in &service.method {
            let stream = |streams: bool| if streams { "stream " } else { "" };
            writeln!(
                wire,
                "rpc {name}/{} ({}{}) returns ({}{})",
                method.name(),
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type(),
            )
            .unwrap();
        }
    }
    for (name, message) in messages(file) {
        if message.field.is_empty() {
            writeln!(wire, "message {name} (no fields)").unwrap();
        }
        for field in &message.field {
            let label = match field.label() {
                Label::Repeated => "repeated ",
                _ if field.proto3_optional() => "optional ",
                _ => "",
            };
            let kind = match field.r#type() {
                Type::Message | Type::Enum => field.type_name().to_owned(),
                scalar => scalar
                    .as_str_name()
                    .trim_start_matches("TYPE_")
                    .to_ascii_lowercase(),
            };
            let oneof = match field.oneof_index {
                Some(index) if !field.proto3_optional() => {
                    let oneof = &message.oneof_decl[usize::try_from(index).unwrap()];
                    format!(" oneof {}", oneof.name())
                }
                _ => String::new(),
            };
            writeln!(
                wire,
                "field {name} {label}{kind} {} = {}{oneof}",
                field.name(),
                field.number()
            )
            .unwrap();
        }
    }
    for (name, item) in enums(file) {
        for value in &item.value {
            writeln!(wire, "value {name} {} = {}", value.name(), value.number()).unwrap();
        }
    }
}
