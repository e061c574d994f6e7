use super::*;
use std::time::Duration;

fn read(text: &str) -> (Vec<Document>, Fragment) {
    let mut found = Fragment::at("x");
    let budget = Budget::starting_now(Duration::from_secs(10));
    let documents = documents(text, budget, &mut found, &|_| true);
    (documents, found)
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let (documents, found) = read("a: 1\n---\nb: [1, 2\n---\nc:\n  - d: &x e\n  - f: *x\n");
    let last = documents.last().unwrap().root();
    let items: Vec<View<'_>> = last.get("c").unwrap().items().collect();
    assert_eq!(
        items
            .iter()
            .filter_map(|item| item.entries().next()?.1.text())
            .collect::<Vec<_>>(),
        ["e", "e"]
    );
    assert_eq!(items.first().unwrap().line(), 6);
    assert_eq!(documents.len(), 2);
    assert_eq!(
        found.unread_entries().first().map(|unread| unread.reason),
        Some(Reason::Malformed)
    );
}

#[test]
fn templates_are_read_as_far_as_they_go() {
    let text = "{{- if .Values.tls }}\nkind: Thing\nname: {{ .Values.name }}\nfixed: yes\n{{- end }}\n";
    let (documents, mut found) = read(text);
    let document = documents.first().unwrap();
    let root = document.root();
    assert_eq!(
        (root.text_at(&["fixed"]), root.text_at(&["name"])),
        (Some("yes"), None)
    );
    assert_eq!(root.get("fixed").unwrap().line(), 4);
    assert!(found.is_empty() && document.has_holes());
    document.note_template(&mut found);
    assert_eq!(
        found
            .unread_entries()
            .first()
            .map(|unread| (unread.reason, unread.line)),
        Some((Reason::Unsupported, Some(1)))
    );
}

#[test]
fn billions_of_laughs_and_depths_are_bounded() {
    let mut text = "a0: &a0 {x: lol}\n".to_owned();
    for level in 1..40 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let (documents, _) = read(&text);
    let mut count = 0;
    documents.first().unwrap().root().maps(&mut |_, _| count += 1);
    assert!(count > 9 && count <= MAX_VISITS);
    let (documents, _) = read("a: &a\n  b: *a\n");
    let mut count = 0;
    documents.first().unwrap().root().maps(&mut |_, _| count += 1);
    assert!(count <= MAX_DEPTH + 1, "{count}");
    let (_, found) = read(&format!("a: {}\nb: 1\n", "[".repeat(100_000)));
    assert!(!found.unread_entries().is_empty());
    let (documents, found) = read(&format!("a: {}1{}\nb: 1\n", "[".repeat(100), "]".repeat(100)));
    assert_eq!(documents.first().unwrap().root().text_at(&["b"]), Some("1"));
    assert!(!found.unread_entries().is_empty());
}
