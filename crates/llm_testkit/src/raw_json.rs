//! Parts of JSON as they were written: what a request in a batch job was, byte by byte.

use serde_json::Value;

/// The value of `object`'s member `key`, as it was written.
pub(crate) fn member<'t>(object: &'t str, key: &str) -> Option<&'t str> {
    let mut rest = object.trim_start().strip_prefix('{')?;
    loop {
        let (name, after) = value(rest)?;
        let (member, after) = value(after.trim_start().strip_prefix(':')?)?;
        if serde_json::from_str::<String>(name).is_ok_and(|name| name == key) {
            return Some(member);
        }
        rest = after.trim_start().strip_prefix(',')?;
    }
}

/// The elements of `array`, as they were written.
pub(crate) fn elements(array: &str) -> Option<Vec<&str>> {
    let mut rest = array.trim_start().strip_prefix('[')?;
    let mut elements = Vec::new();
    while !rest.trim_start().starts_with(']') {
        let (element, after) = value(rest)?;
        elements.push(element);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(elements)
}

/// The value at the start of `text`, and what follows it.
fn value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.next()?.ok()?;
    Some(text.split_at(values.byte_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_they_were_written() {
        let text = r#" {"b": [1,  2], "a":{"y":1,"x":"},\"c\":"} , "c":0.50}"#;
        assert_eq!(member(text, "b"), Some("[1,  2]"));
        assert_eq!(member(text, "a"), Some(r#"{"y":1,"x":"},\"c\":"}"#));
        assert_eq!(member(text, "c"), Some("0.50"));
        assert_eq!(member(text, "d"), None);
        assert_eq!(member("[1]", "d"), None);
        assert_eq!(
            elements(r#"[{"a":1}, [2],"3" ]"#),
            Some(vec![r#"{"a":1}"#, "[2]", r#""3""#])
        );
        assert_eq!(elements("[]"), Some(vec![]));
        assert_eq!(elements("[1, }"), None);
    }
}
