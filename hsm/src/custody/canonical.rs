//! The one way of writing a statement as bytes, so that everyone signs and verifies the same: RFC 8785 (JCS), for the
//! part of JSON that statements use.

use serde_json::Value;

/// No JSON that can be written canonically here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotCanonical;

/// Members by name, no blanks; a number is a whole one of at most 53 bits, which every reader takes for the same.
pub(super) fn write(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::new();
    append(&mut out, value)?;
    Ok(out)
}

fn append(out: &mut Vec<u8>, value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // RFC 8785 sorts by UTF-16; ours are ASCII, for which that is the same.
            if !members.iter().all(|(name, _)| name.is_ascii()) {
                return Err(NotCanonical);
            }
            members.sort_by_key(|(name, _)| name.as_str());
            out.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                separate(out, index);
                text(out, name)?;
                out.push(b':');
                append(out, value)?;
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                append(out, item)?;
            }
            out.push(b']');
        }
        Value::Number(number) => {
            let number = number.as_u64().filter(|number| *number < 1 << 53);
            out.extend(number.ok_or(NotCanonical)?.to_string().bytes());
        }
        Value::String(string) => text(out, string)?,
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Null => out.extend(b"null"),
    }
    Ok(())
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// serde_json escapes what RFC 8785 does, as it does.
fn text(out: &mut Vec<u8>, text: &str) -> Result<(), NotCanonical> {
    serde_json::to_writer(out, text).map_err(|_| NotCanonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_do_not_depend_on_how_it_was_written() {
        let value: Value = serde_json::from_str(
            r#" {"b": [1, true, null], "a" : {"z":"\u20ac/\n\u000F","y": 9007199254740991 } } "#,
        )
        .expect("json");
        let written = write(&value).expect("canonical");
        let expected = "{\"a\":{\"y\":9007199254740991,\"z\":\"€/\\n\\u000f\"},\"b\":[1,true,null]}";
        assert_eq!(String::from_utf8(written).expect("UTF-8"), expected);
    }

    #[test]
    fn what_readers_might_take_differently_is_refused() {
        for text in ["1.5", "-1", "9007199254740992", "{\"é\":1}", "[1e3]"] {
            let value: Value = serde_json::from_str(text).expect(text);
            assert_eq!(write(&value), Err(NotCanonical), "{text}");
        }
    }
}
