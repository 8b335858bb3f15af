//! The JSON schema of an experiment file, for editors and for `trimtab schema`.

use schemars::JsonSchema;
use serde_json::{Value, json};

/// The schema of `T` as a file may write it: with `extends` and `sweep` at the top.
///
/// A file that extends another may leave out what that one sets, so the required keys are required
/// only without `extends`.
pub fn schema<T: JsonSchema>() -> String {
    let mut schema = schemars::schema_for!(T);
    let path = json!({ "type": "string", "minLength": 1 });
    let extends = json!({
        "description": "File or files whose settings this one changes, relative to its folder. \
                        Tables merge key by key, all else is replaced; later files win.",
        "anyOf": [path, { "type": "array", "items": path }],
    });
    let sweep = json!({
        "description": "Dotted keys, each with the values to try; every combination is a variant.",
        "type": "object",
        "additionalProperties": {
            "anyOf": [{ "type": "array", "minItems": 1 }, { "type": "object" }],
        },
    });
    let root = schema.ensure_object();
    let properties = root.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.insert("extends".to_owned(), extends);
        properties.insert("sweep".to_owned(), sweep);
    }
    if let Some(required) = root.remove("required") {
        root.insert(
            "if".to_owned(),
            json!({ "not": { "required": ["extends"] } }),
        );
        root.insert("then".to_owned(), json!({ "required": required }));
    }
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}
