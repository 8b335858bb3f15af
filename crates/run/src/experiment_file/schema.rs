//! The JSON schema of an experiment file, for editors and for `trimtab schema`.

use schemars::JsonSchema;
use serde_json::{Value, json};

/// The schema of `T` as a file may write it: with `extends`, `sweep`, `variant` and `every-method` at the top.
///
/// A file that extends another may leave out what that one sets, and one with variants what they set, so
/// the required keys are required only without either.
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
    let variant = json!({
        "description": "Tables by name, each with keys that it sets together; every name is a variant. \
                        Its tables merge with those of the file key by key, all else is replaced.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "type": "object" },
    });
    let every_method = json!({
        "description": "What the methods of this file have in common: each is laid over it, key by key.",
        "type": "object",
    });
    let root = schema.ensure_object();
    let properties = root.entry("properties").or_insert_with(|| json!({}));
    if let Value::Object(properties) = properties {
        properties.insert("extends".to_owned(), extends);
        properties.insert("sweep".to_owned(), sweep);
        properties.insert("variant".to_owned(), variant);
        properties.insert("every-method".to_owned(), every_method);
    }
    if let Some(required) = root.remove("required") {
        root.insert(
            "if".to_owned(),
            json!({ "not": { "anyOf": [{ "required": ["extends"] }, { "required": ["variant"] }] } }),
        );
        root.insert("then".to_owned(), json!({ "required": required }));
    }
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}
