//! The fields of an entry, one by one: how each is compared, shown and named in a mask.

use serde_json::{Value, json};
use spiffe::SpiffeId;
use symbolon_api::spire::api::types;
use symbolon_pki::time::{from_unix_seconds, rfc3339};

/// A field.
pub(super) struct Field {
    /// As documents and messages name it.
    pub(super) name: &'static str,
    /// Its value, as documents would write it; null where an entry has none.
    pub(super) value: fn(&types::Entry) -> Value,
    /// Whether a mask picks it.
    pub(super) picked: fn(&types::EntryMask) -> bool,
}

/// Every field that a declaration can set.
pub(super) const FIELDS: [Field; 19] = [
    Field {
        name: "spiffe_id",
        value: |entry| id(entry.spiffe_id.as_ref()),
        picked: |mask| mask.spiffe_id,
    },
    Field {
        name: "parent_id",
        value: |entry| id(entry.parent_id.as_ref()),
        picked: |mask| mask.parent_id,
    },
    Field {
        name: "selectors",
        value: |entry| json!(selectors(entry)),
        picked: |mask| mask.selectors,
    },
    Field {
        name: "x509_svid_ttl",
        value: |entry| lifetime(entry.x509_svid_ttl),
        picked: |mask| mask.x509_svid_ttl,
    },
    Field {
        name: "jwt_svid_ttl",
        value: |entry| lifetime(entry.jwt_svid_ttl),
        picked: |mask| mask.jwt_svid_ttl,
    },
    Field {
        name: "federates_with",
        value: |entry| list(&entry.federates_with),
        picked: |mask| mask.federates_with,
    },
    Field {
        name: "admin",
        value: |entry| yes(entry.admin),
        picked: |mask| mask.admin,
    },
    Field {
        name: "downstream",
        value: |entry| yes(entry.downstream),
        picked: |mask| mask.downstream,
    },
    Field {
        name: "expires_at",
        value: |entry| moment(entry.expires_at),
        picked: |mask| mask.expires_at,
    },
    Field {
        name: "dns_names",
        value: |entry| list(&entry.dns_names),
        picked: |mask| mask.dns_names,
    },
    Field {
        name: "store_svid",
        value: |entry| yes(entry.store_svid),
        picked: |mask| mask.store_svid,
    },
    Field {
        name: "hint",
        value: |entry| word(&entry.hint),
        picked: |mask| mask.hint,
    },
    Field {
        name: "disable_x509_svid_prefetch",
        value: |entry| {
            yes(entry
                .additional_attributes
                .unwrap_or_default()
                .disable_x509_svid_prefetch)
        },
        picked: |mask| mask.additional_attributes,
    },
    Field {
        name: "jwt_svid_include_jti",
        value: |entry| {
            yes(entry
                .additional_attributes
                .unwrap_or_default()
                .jwt_svid_include_jti)
        },
        picked: |mask| mask.additional_attributes,
    },
    Field {
        name: "allowed_forms",
        value: |entry| list(&entry.allowed_forms),
        picked: |mask| mask.allowed_forms,
    },
    Field {
        name: "leaf_key_algorithms",
        value: |entry| list(&entry.leaf_key_algorithms),
        picked: |mask| mask.leaf_key_algorithms,
    },
    Field {
        name: "not_before",
        value: |entry| moment(entry.not_before),
        picked: |mask| mask.not_before,
    },
    Field {
        name: "not_after",
        value: |entry| moment(entry.not_after),
        picked: |mask| mask.not_after,
    },
    Field {
        name: "owner",
        value: |entry| word(&entry.owner),
        picked: |mask| mask.owner,
    },
];

/// The selectors of an entry, each as `type:value`.
pub(super) fn selectors(entry: &types::Entry) -> Vec<String> {
    entry
        .selectors
        .iter()
        .map(|selector| format!("{}:{}", selector.r#type, selector.value))
        .collect()
}

/// An identity in words; empty where there is none.
pub(super) fn id_text(id: Option<&types::Spiffeid>) -> String {
    match id.map(SpiffeId::try_from) {
        Some(Ok(id)) => id.to_string(),
        _ => String::new(),
    }
}

fn id(id: Option<&types::Spiffeid>) -> Value {
    word(&id_text(id))
}

fn word(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => json!(text),
    }
}

fn list(items: &[String]) -> Value {
    match items {
        [] => Value::Null,
        items => json!(items),
    }
}

fn yes(value: bool) -> Value {
    match value {
        false => Value::Null,
        true => Value::Bool(true),
    }
}

fn lifetime(seconds: i32) -> Value {
    match seconds {
        0 => Value::Null,
        seconds => json!(format!("{seconds}s")),
    }
}

fn moment(seconds: i64) -> Value {
    let at = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    at.and_then(from_unix_seconds)
        .map_or(Value::Null, |at| json!(rfc3339(at)))
}
