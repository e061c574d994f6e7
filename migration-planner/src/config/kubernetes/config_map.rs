//! Files that stand in a `ConfigMap`, such as an `nginx.conf`, and the settings of Istio's mesh.

use super::{File, Fragment, Reason, View, mesh, name_of};
use crate::config::{
    Apache, Envoy, HaProxy, JavaSecurity, Kafka, Nginx, OpenSsl, PostgreSql, SshConfig, yaml,
};
use crate::scan::{Piece, Scanner, Trigger};

/// The most files that are read of one object.
const MAX_FILES: usize = 256;

/// Each file in the object, by those who know it by its name.
pub(super) fn files(object: View<'_>, file: &File<'_>, found: &mut Fragment) {
    let Some(data) = object.get("data") else { return };
    for (name, value) in data.entries().take(MAX_FILES) {
        let Some((text, before)) = value.file() else {
            continue;
        };
        if file.budget.is_spent() {
            return found.unread(
                Reason::TimedOut,
                Some(value.line()),
                "the files in it from here on",
            );
        }
        let lower = name.to_ascii_lowercase();
        let is_mesh = lower == "mesh" && (text.contains("meshMTLS") || text.contains("tlsDefaults"));
        let readers: Vec<&dyn Scanner> = READERS
            .iter()
            .copied()
            .filter(|reader| knows(*reader, &lower))
            .collect();
        if !is_mesh && readers.is_empty() {
            continue;
        }
        // Empty lines before it give its lines the numbers that they have in the manifest.
        let mut padded = "\n".repeat(usize::try_from(before.unwrap_or_default()).unwrap_or_default());
        padded.push_str(text);
        let mark = found.mark();
        if is_mesh {
            let title = name_of(object);
            for document in yaml::documents(&padded, file.budget, found, &|_| true) {
                mesh::settings(document.root(), &title, found);
                document.note_holes(found);
            }
        }
        let inner = File {
            name,
            bytes: padded.as_bytes(),
            ..*file
        };
        for reader in readers {
            reader.scan(&Piece::File(inner), found);
        }
        if before.is_none() {
            found.put_on_line(mark, value.line());
        }
    }
}

/// Who reads files of other programs.
const READERS: [&dyn Scanner; 9] = [
    &Nginx,
    &Apache,
    &HaProxy,
    &Envoy,
    &OpenSsl,
    &SshConfig,
    &PostgreSql,
    &Kafka,
    &JavaSecurity,
];

/// Whether a reader goes by this name.
fn knows(reader: &dyn Scanner, name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    reader.triggers().iter().any(|trigger| match trigger {
        Trigger::FileName(known) => *known == name,
        Trigger::Extension(known) => Some(*known) == extension,
        _ => false,
    })
}
