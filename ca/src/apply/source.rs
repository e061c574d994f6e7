//! Where documents come from.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::document::{self, Declared};
use super::{ApplyError, Place, Problem};

/// Largest file, in bytes: some tens of thousands of entries.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// The deepest folder below one that was named.
const MAX_DEPTH: usize = 16;

/// Reads what `paths` declare: files, folders with all `.yaml`, `.yml` and `.json` files in and below them, or `-` for
/// `stdin`. Documents that do not say whose they are are `owner`'s.
///
/// # Errors
/// [`ApplyError::Unreadable`]; [`ApplyError::Documents`] with everything that is wrong with the documents.
pub fn read(paths: &[PathBuf], owner: Option<&str>, stdin: impl Read) -> Result<Declared, ApplyError> {
    let mut stdin = Some(stdin);
    let mut declared = Declared::default();
    let mut problems = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let Some(stdin) = stdin.take() else { continue };
            let text = text(path, stdin)?;
            document::read("-", &text, owner, &mut declared, &mut problems);
            continue;
        }
        let files = files(path)?;
        if files.is_empty() {
            let nothing = io::Error::other("there is no .yaml, .yml or .json file in it");
            return Err(unreadable(path)(nothing));
        }
        for file in files {
            let opened = std::fs::File::open(&file).map_err(unreadable(&file))?;
            let text = text(&file, opened)?;
            let name = file.to_string_lossy();
            document::read(&name, &text, owner, &mut declared, &mut problems);
        }
    }
    repeated(&declared, &mut problems);
    match problems.is_empty() {
        true => Ok(declared),
        false => Err(ApplyError::Documents(problems)),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ApplyError {
    let path = path.to_owned();
    move |source| ApplyError::Unreadable { path, source }
}

fn text(path: &Path, source: impl Read) -> Result<String, ApplyError> {
    let mut text = String::new();
    let read = source.take(MAX_FILE + 1).read_to_string(&mut text);
    read.map_err(unreadable(path))?;
    if text.len() as u64 > MAX_FILE {
        return Err(unreadable(path)(io::Error::other(format!(
            "it is larger than {MAX_FILE} bytes"
        ))));
    }
    Ok(text)
}

/// The file itself, or the files of a folder in the order of their names. What begins with a dot is left out: editors and
/// Kubernetes keep their own things there.
fn files(path: &Path) -> Result<Vec<PathBuf>, ApplyError> {
    if !std::fs::metadata(path).map_err(unreadable(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        if depth > MAX_DEPTH {
            return Err(unreadable(&folder)(io::Error::other(
                "it lies too deep; is it a loop?",
            )));
        }
        for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let path = entry.map_err(unreadable(&folder))?.path();
            let hidden = path
                .file_name()
                .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            if std::fs::metadata(&path).map_err(unreadable(&path))?.is_dir() {
                folders.push((path, depth + 1));
            } else if path
                .extension()
                .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Two declarations of one entry: which of them holds is not for the order of files to say.
fn repeated(declared: &Declared, problems: &mut Vec<Problem>) {
    let mut ids = std::collections::BTreeMap::new();
    let mut alike = std::collections::BTreeMap::new();
    for declaration in &declared.entries {
        let Some(place) = &declaration.place else { continue };
        let entry = &declaration.entry;
        let mut wrong = |first: &Place, what: &str| {
            problems.push(Problem {
                place: place.clone(),
                what: format!("this entry has {what} as the one in {first}"),
            });
        };
        if !entry.id.is_empty()
            && let Some(first) = ids.insert(entry.id.clone(), place)
        {
            wrong(first, "the same id");
        }
        if let Some(first) = alike.insert(super::plan::likeness(entry), place) {
            wrong(first, "the same spiffe_id, parent_id and selectors");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> String {
        format!(
            "{{spiffe_id: spiffe://example.org/{path}, parent_id: spiffe://example.org/n, selectors: [unix:uid:1]}}"
        )
    }

    fn document(entries: &[String]) -> String {
        format!("owner: team\nentries:\n- {}\n", entries.join("\n- "))
    }

    #[test]
    fn a_folder_is_read_whole_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        put("b.yaml", &document(&[entry("b")]));
        put("a.yml", &document(&[entry("a")]));
        put("sub/c.json", "{\"owner\":\"other\",\"entries\":[]}");
        put(".hidden.yaml", "nonsense");
        put("README.md", "nonsense");
        let declared = read(&[dir.path().to_owned()], None, io::empty()).unwrap();
        let paths: Vec<&str> = declared
            .entries
            .iter()
            .map(|declaration| declaration.entry.spiffe_id.as_ref().unwrap().path.as_str())
            .collect();
        assert_eq!(paths, ["/a", "/b"]);
        assert_eq!(declared.owners, ["other".to_owned(), "team".to_owned()].into());
    }

    #[test]
    fn standard_input_is_read_once() {
        let text = document(&[entry("a")]);
        let paths = [PathBuf::from("-"), PathBuf::from("-")];
        assert_eq!(read(&paths, None, text.as_bytes()).unwrap().count(), 1);
    }

    #[test]
    fn an_entry_that_is_declared_twice_is_refused_with_both_places() {
        let named = |id: &str, path: &str| entry(path).replace('{', &format!("{{id: {id}, "));
        let text = document(&[entry("a"), entry("a"), named("x", "b"), named("x", "c")]);
        let error = read(&[PathBuf::from("-")], None, text.as_bytes()).unwrap_err();
        let ApplyError::Documents(problems) = error else {
            panic!("{error}")
        };
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(
            words[0].starts_with("-:4") && words[0].ends_with("selectors as the one in -:3"),
            "{words:?}"
        );
        assert!(
            words[1].starts_with("-:6") && words[1].ends_with("id as the one in -:5"),
            "{words:?}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("none.yaml"), dir.path().to_owned()] {
            let error = read(std::slice::from_ref(&path), None, io::empty()).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    }
}
