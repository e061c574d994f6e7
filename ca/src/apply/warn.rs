//! What is allowed and seldom meant.

use std::time::SystemTime;

use serde::Serialize;
use symbolon_api::spire::api::types;
use symbolon_host::HumanDuration;
use symbolon_pki::time::unix_seconds;

use super::Declared;
use super::field::id_text;

/// X.509-SVIDs that live longer than this are long-lived, in seconds.
const LONG_X509: i32 = 24 * 60 * 60;
/// JWT-SVIDs likewise: whoever sees one can use it.
const LONG_JWT: i32 = 15 * 60;
/// Selectors that name a container's image.
const IMAGES: [(&str, &str); 4] = [
    ("k8s", "container-image:"),
    ("k8s", "pod-image:"),
    ("k8s", "pod-init-image:"),
    ("docker", "image_id:"),
];
/// Selectors that many workloads show that have nothing else in common.
const WIDE: [(&str, &str); 14] = [
    ("unix", "uid:0"),
    ("unix", "user:root"),
    ("unix", "gid:"),
    ("unix", "group:"),
    ("unix", "supplementary_gid:"),
    ("unix", "supplementary_group:"),
    ("k8s", "ns:"),
    ("k8s", "node-name:"),
    ("k8s", "pod-image-count:"),
    ("k8s", "pod-init-image-count:"),
    ("k8s", "container-name:"),
    ("k8s", "pod-owner:"),
    ("docker", "env:"),
    ("docker", "label:"),
];

/// Something in a declaration that is worth a second look.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Warning {
    /// Which rule: `image-tag`, `wide-selectors`, `long-lifetime` or `ended`.
    pub rule: &'static str,
    /// Where, as `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The identity that the entry gives.
    pub spiffe_id: String,
    /// What, and what to do.
    pub message: String,
}

impl Declared {
    /// What is worth a second look at the moment `now`.
    pub fn warnings(&self, now: SystemTime) -> Vec<Warning> {
        let of = |declaration: &super::Declaration| {
            let place = declaration.place.as_ref().map(ToString::to_string);
            let spiffe_id = id_text(declaration.entry.spiffe_id.as_ref());
            let warning = move |(rule, message)| Warning {
                rule,
                place: place.clone(),
                spiffe_id: spiffe_id.clone(),
                message,
            };
            advice(&declaration.entry, now).into_iter().map(warning)
        };
        self.entries.iter().flat_map(of).collect()
    }
}

fn advice(entry: &types::Entry, now: SystemTime) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for selector in entry.selectors.iter().filter(|selector| is_tag(selector)) {
        let types::Selector { r#type: kind, value } = selector;
        found.push((
            "image-tag",
            format!(
                "{kind}:{value} names an image by what can be moved to another one; name it by its digest, as in \
                 NAME@sha256:…"
            ),
        ));
    }
    // Node entries are about nodes, and many at once on purpose.
    let is_node = entry
        .parent_id
        .as_ref()
        .is_some_and(|id| id.path == "/spire/server");
    if !is_node {
        found.extend(width(entry).map(|message| ("wide-selectors", message)));
    }
    for (field, seconds, most) in [
        ("x509_svid_ttl", entry.x509_svid_ttl, LONG_X509),
        ("jwt_svid_ttl", entry.jwt_svid_ttl, LONG_JWT),
    ] {
        if seconds > most {
            let human = |seconds: i32| {
                HumanDuration(std::time::Duration::from_secs(
                    u64::try_from(seconds).unwrap_or_default(),
                ))
            };
            let (is, most) = (human(seconds), human(most));
            let message = format!(
                "{field} is {is}: whoever steals the SVID has it that long; SVIDs are renewed by themselves, and seldom \
                 need more than {most}"
            );
            found.push(("long-lifetime", message));
        }
    }
    let past = |moment: i64| moment > 0 && u64::try_from(moment).is_ok_and(|at| at <= unix_seconds(now));
    for (field, moment) in [("expires_at", entry.expires_at), ("not_after", entry.not_after)] {
        if past(moment) {
            found.push((
                "ended",
                format!("{field} is in the past: the entry has no effect"),
            ));
        }
    }
    found
}

/// Whether a selector names an image otherwise than by a digest.
fn is_tag(selector: &types::Selector) -> bool {
    let image = IMAGES.iter().find_map(|(kind, prefix)| {
        (selector.r#type == *kind)
            .then(|| selector.value.strip_prefix(prefix))
            .flatten()
    });
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    image.is_some_and(|image| {
        let digest = image.rsplit_once("sha256:").map_or(image, |(_, digest)| digest);
        !is_digest(digest)
    })
}

/// Why an entry's selectors let in more workloads than one, if they do.
fn width(entry: &types::Entry) -> Option<String> {
    let is = |selector: &types::Selector, (kind, value): &(&str, &str)| {
        let same = match value.ends_with(':') {
            true => selector.value.starts_with(value),
            false => selector.value == *value,
        };
        selector.r#type == *kind && same
    };
    let has = |prefix: &str| is_any(entry, |selector| is(selector, &("k8s", prefix)));
    if has("sa:") && !has("ns:") {
        return Some(
            "k8s:sa without k8s:ns is every service account of that name, in every namespace; name the namespace too"
                .to_owned(),
        );
    }
    let wide = |selector: &types::Selector| WIDE.iter().any(|known| is(selector, known));
    entry.selectors.iter().all(wide).then(|| {
        format!(
            "{} alone is what many workloads show; add a selector that only this one shows",
            super::field::selectors(entry).join(", ")
        )
    })
}

fn is_any(entry: &types::Entry, test: impl Fn(&types::Selector) -> bool) -> bool {
    entry.selectors.iter().any(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(selectors: &[&str], change: impl Fn(&mut types::Entry)) -> Vec<&'static str> {
        let selector = |text: &&str| {
            let (kind, value) = text.split_once(':').unwrap();
            types::Selector {
                r#type: kind.to_owned(),
                value: value.to_owned(),
            }
        };
        let mut entry = types::Entry {
            selectors: selectors.iter().map(selector).collect(),
            ..types::Entry::default()
        };
        change(&mut entry);
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        advice(&entry, now).into_iter().map(|(rule, _)| rule).collect()
    }

    #[test]
    fn images_are_named_by_digest() {
        let digest = "a".repeat(64);
        for (image, warned) in [
            ("k8s:container-image:docker.io/web:latest".to_owned(), true),
            ("k8s:container-image:docker.io/web".to_owned(), true),
            (
                format!("k8s:container-image:docker.io/web@sha256:{digest}"),
                false,
            ),
            (format!("k8s:pod-image:web:1@sha256:{}", &digest[1..]), true),
            (format!("docker:image_id:{digest}"), false),
            (format!("docker:image_id:sha256:{digest}"), false),
            ("docker:image_id:web:latest".to_owned(), true),
            ("unix:path:/bin/container-image:x".to_owned(), false),
        ] {
            let expected: &[&str] = if warned { &["image-tag"] } else { &[] };
            assert_eq!(rules(&[&image], |_| {}), expected, "{image}");
        }
    }

    #[test]
    fn selectors_that_many_show_are_told() {
        for (selectors, warned) in [
            (&["unix:uid:0"][..], true),
            (&["unix:uid:0", "unix:path:/usr/bin/db"], false),
            (&["unix:uid:01"], false),
            (&["unix:gid:5", "unix:group:db"], true),
            (&["k8s:ns:prod"], true),
            (&["k8s:ns:prod", "k8s:sa:web"], false),
            (&["k8s:sa:web"], true),
            (&["k8s:sa:web", "k8s:pod-uid:1"], true),
            (&["unix:uid:1000"], false),
        ] {
            let expected: &[&str] = if warned { &["wide-selectors"] } else { &[] };
            assert_eq!(rules(selectors, |_| {}), expected, "{selectors:?}");
        }
        let node = |entry: &mut types::Entry| {
            entry.parent_id = Some(types::Spiffeid {
                trust_domain: "example.org".to_owned(),
                path: "/spire/server".to_owned(),
            });
        };
        assert_eq!(rules(&["k8s:ns:prod"], node), [""; 0]);
    }

    #[test]
    fn long_lives_and_ends_that_have_been_are_told() {
        let own = &["unix:uid:1000"];
        assert_eq!(rules(own, |e| e.x509_svid_ttl = 86_400), [""; 0]);
        assert_eq!(rules(own, |e| e.x509_svid_ttl = 86_401), ["long-lifetime"]);
        assert_eq!(rules(own, |e| e.jwt_svid_ttl = 900), [""; 0]);
        assert_eq!(rules(own, |e| e.jwt_svid_ttl = 901), ["long-lifetime"]);
        assert_eq!(rules(own, |e| e.expires_at = 1_000), ["ended"]);
        assert_eq!(rules(own, |e| e.not_after = 999), ["ended"]);
        assert_eq!(rules(own, |e| e.not_after = 1_001), [""; 0]);
    }
}
