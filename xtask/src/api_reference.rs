//! The book's reference of the API: every service, message and enumeration of `api/proto`, in the words of the files.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use protox::Compiler;

use crate::workspace::Workspace;

/// Where the files are.
const SOURCE: &str = "api/proto";
/// The page that is made from them.
const PAGE: &str = "docs/src/reference/api.md";

const OPENING: &str = "# The API

<!-- Written by `cargo xtask docs` from the files in api/proto; `cargo xtask lint` fails when it is not current. -->

Services, messages and enumerations, file by file. Those of `spire.api` and the Workload API have the names and numbers of
SPIRE and SPIFFE; what is ours there has numbers from 1000, and stock software never meets it. The packages `symbolon.*` are
ours as a whole. Who may call what is told in [Who may call, and how often](../authorisation.md), and how forms are asked
for in [The forms in depth](../forms.md). Every reply names its call in the server's log by the metadata
`symbolon-request-id`.
";

/// Writes the page.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let path = workspace.root().join(PAGE);
    fs::write(&path, page(workspace.root())?).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether the page is as the files have it.
pub(crate) fn violations(workspace: &Workspace) -> Result<Vec<String>> {
    let path = workspace.root().join(PAGE);
    let found = fs::read_to_string(&path).unwrap_or_default();
    Ok(match found == page(workspace.root())? {
        true => Vec::new(),
        false => vec![format!(
            "{PAGE} is not what the .proto files say; run `cargo xtask docs`"
        )],
    })
}

fn page(root: &Path) -> Result<String> {
    let source = root.join(SOURCE);
    let mut files = Vec::new();
    find(&source, &mut files)?;
    files.sort();
    let mut compiler = Compiler::new([&source])?;
    compiler.include_source_info(true);
    for file in &files {
        compiler
            .open_file(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
    }
    let mut page = OPENING.to_owned();
    for file in compiler.file_descriptor_set().file {
        if !file.name().starts_with("google/") {
            Described::new(&file).write(&mut page)?;
        }
    }
    Ok(page)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// A file with what its comments say of each part, by the part's path.
struct Described<'a> {
    file: &'a FileDescriptorProto,
    comments: HashMap<Vec<i32>, String>,
}

impl<'a> Described<'a> {
    fn new(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = locations
            .filter_map(|location| {
                let comment = location
                    .leading_comments
                    .as_deref()
                    .or(location.trailing_comments.as_deref())?;
                Some((location.path.clone(), one_line(comment)))
            })
            .collect();
        Self { file, comments }
    }

    fn comment(&self, path: &[i32]) -> &str {
        self.comments.get(path).map_or("", String::as_str)
    }

    fn write(&self, page: &mut String) -> Result<()> {
        let file = self.file;
        writeln!(page, "\n## `{}`", file.name())?;
        // The comment that opens a file stands before its syntax.
        let opening = self.comment(&[12]);
        if !opening.is_empty() {
            writeln!(page, "\n{opening}")?;
        }
        for (index, service) in (0..).zip(&file.service) {
            let name = within(file.package(), service.name());
            writeln!(page, "\n### Service `{name}`\n\n{}\n", self.comment(&[6, index]))?;
            writeln!(page, "| method | takes | answers | |\n|---|---|---|---|")?;
            for (at, method) in (0..).zip(&service.method) {
                let side = |streams: bool, of: &str| {
                    let of = of.trim_start_matches('.');
                    let of = of.strip_prefix(&format!("{}.", file.package())).unwrap_or(of);
                    format!("{}`{of}`", if streams { "stream of " } else { "" })
                };
                writeln!(
                    page,
                    "| `{}` | {} | {} | {} |",
                    method.name(),
                    side(method.client_streaming(), method.input_type()),
                    side(method.server_streaming(), method.output_type()),
                    self.comment(&[6, index, 2, at]),
                )?;
            }
        }
        for (index, message) in (0..).zip(&file.message_type) {
            self.message(page, file.package(), message, &[4, index])?;
        }
        for (index, enumeration) in (0..).zip(&file.enum_type) {
            self.enumeration(page, file.package(), enumeration, &[5, index])?;
        }
        Ok(())
    }

    fn message(&self, page: &mut String, outer: &str, message: &DescriptorProto, path: &[i32]) -> Result<()> {
        let name = within(outer, message.name());
        let is_map = message
            .options
            .as_ref()
            .is_some_and(|options| options.map_entry());
        if is_map {
            return Ok(());
        }
        writeln!(page, "\n### `{name}`\n\n{}", self.comment(path))?;
        if !message.field.is_empty() {
            writeln!(page, "\n| field | number | type | |\n|---|---|---|---|")?;
        }
        for (index, field) in (0..).zip(&message.field) {
            // The fields of a mask are those of what it masks.
            let comment = match self.comment(&joined(path, &[2, index])) {
                "" if message.name().ends_with("Mask") => "Whether the field of this name is meant.",
                comment => comment,
            };
            writeln!(
                page,
                "| `{}` | {} | {} | {comment} |",
                field.name(),
                field.number(),
                kind(field, message, self.file.package()),
            )?;
        }
        for (index, inner) in (0..).zip(&message.nested_type) {
            self.message(page, &name, inner, &joined(path, &[3, index]))?;
        }
        for (index, inner) in (0..).zip(&message.enum_type) {
            self.enumeration(page, &name, inner, &joined(path, &[4, index]))?;
        }
        Ok(())
    }

    fn enumeration(
        &self,
        page: &mut String,
        outer: &str,
        found: &EnumDescriptorProto,
        path: &[i32],
    ) -> Result<()> {
        writeln!(
            page,
            "\n### `{}`\n\n{}\n",
            within(outer, found.name()),
            self.comment(path)
        )?;
        writeln!(page, "| value | number | |\n|---|---|---|")?;
        for (index, value) in (0..).zip(&found.value) {
            let comment = self.comment(&joined(path, &[2, index]));
            writeln!(page, "| `{}` | {} | {comment} |", value.name(), value.number())?;
        }
        Ok(())
    }
}

fn joined(path: &[i32], rest: &[i32]) -> Vec<i32> {
    [path, rest].concat()
}

fn within(outer: &str, name: &str) -> String {
    match outer {
        "" => name.to_owned(),
        outer => format!("{outer}.{name}"),
    }
}

/// The type of a field, as the file has it.
fn kind(field: &FieldDescriptorProto, message: &DescriptorProto, package: &str) -> String {
    let scalar = match field.r#type() {
        Type::Double => "double",
        Type::Float => "float",
        Type::Int64 => "int64",
        Type::Uint64 => "uint64",
        Type::Int32 => "int32",
        Type::Fixed64 => "fixed64",
        Type::Fixed32 => "fixed32",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Group | Type::Message | Type::Enum => {
            let name = field.type_name().trim_start_matches('.');
            name.strip_prefix(&format!("{package}.")).unwrap_or(name)
        }
    };
    let is_map = message.nested_type.iter().any(|inner| {
        inner.options.as_ref().is_some_and(|options| options.map_entry())
            && field.type_name().ends_with(&format!(".{}", inner.name()))
    });
    match (is_map, field.label()) {
        (true, _) => "map".to_owned(),
        (false, Label::Repeated) => format!("list of `{scalar}`"),
        (false, _) => format!("`{scalar}`"),
    }
}

/// A comment as it stands in a cell.
fn one_line(comment: &str) -> String {
    let words: Vec<&str> = comment.split_whitespace().collect();
    // What would be an element of HTML is a placeholder here.
    words.join(" ").replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn every_method_and_field_has_its_words() {
        let page = page(root()).unwrap();
        assert!(
            page.contains("### Service `spire.api.server.agent.v1.Agent`"),
            "services are there"
        );
        assert!(page.contains("| `GetServerInfo` | `GetServerInfoRequest` | `GetServerInfoResponse` |"));
        let wordless: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `") && line.ends_with("|  |"))
            .collect();
        assert!(wordless.is_empty(), "nothing is said of {wordless:#?}");
    }

    #[test]
    fn words_keep_to_their_cell() {
        assert_eq!(one_line(" a |\n b <td>\n"), "a \\| b &lt;td>");
    }
}
