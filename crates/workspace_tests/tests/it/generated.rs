//! Files made from the code: the schema of experiment files, and their reference in Markdown.
//!
//! `TRIMTAB_UPDATE=1 cargo test -p trimtab-workspace-tests generated` writes both anew.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;
use trimtab_run::{Experiment, experiment_file};

use crate::repository::root;

const SCHEMA: &str = "schemas/experiment.json";
const REFERENCE: &str = "docs/experiment-file.md";

const HEAD: &str = "\
# The experiment file, key by key

Made from the code; the same text is in `schemas/experiment.json`, which editors read and `trimtab schema` prints.
What the parts are for is told in the repository's `README.md`, and for each approach in [its page](introduction.md).
";

#[test]
fn the_schema_is_what_the_program_prints() {
    let schema = experiment_file::schema::<Experiment>();
    compare(
        SCHEMA,
        &schema,
        "cargo run -- schema > schemas/experiment.json",
    );
}

#[test]
fn the_reference_is_made_from_the_schema() {
    let schema = serde_json::from_str(&experiment_file::schema::<Experiment>()).unwrap();
    compare(
        REFERENCE,
        &Reference { schema: &schema }.render(),
        "TRIMTAB_UPDATE=1 cargo test -p trimtab-workspace-tests generated",
    );
}

fn compare(path: &str, made: &str, how: &str) {
    let file = root().join(path);
    if std::env::var_os("TRIMTAB_UPDATE").is_some() {
        fs::write(&file, made).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    let differs = (there.lines().zip(made.lines())).position(|(there, made)| there != made);
    assert!(
        there == made,
        "{path} is behind the code, from line {} on; make it anew:\n\n  {how}\n",
        differs.unwrap_or(there.lines().count().min(made.lines().count())) + 1
    );
}

/// A schema as Markdown: a section for each table of the file, in the order they are first met.
struct Reference<'s> {
    schema: &'s Value,
}

impl<'s> Reference<'s> {
    fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        self.table(self.schema, &mut text);
        let mut waiting = VecDeque::new();
        let mut met = Vec::new();
        references(self.schema, &mut waiting);
        while let Some(name) = waiting.pop_front() {
            if met.contains(&name) {
                continue;
            }
            met.push(name);
            let definition = &self.schema["$defs"][name];
            if is_section(definition) {
                let about = description(definition);
                write!(text, "\n## {}\n\n{about}\n", title(name)).unwrap();
                self.table(definition, &mut text);
                for form in forms(definition).filter(|form| kind(form).is_some()) {
                    let kind = kind(form).unwrap();
                    write!(text, "\n**`{kind}`** – {}\n", description(form)).unwrap();
                    self.table(form, &mut text);
                }
            }
            references(definition, &mut waiting);
        }
        text
    }

    /// A row for each key but `kind`.
    fn table(&self, table: &'s Value, text: &mut String) {
        let Some(properties) = table["properties"].as_object() else {
            return;
        };
        let required = [&table["required"], &table["then"]["required"]];
        let is_required = |key: &str| {
            (required.iter().filter_map(|list| list.as_array()).flatten()).any(|name| name == key)
        };
        let mut rows = String::new();
        for (key, value) in properties.iter().filter(|(key, _)| *key != "kind") {
            let default = match &value["default"] {
                _ if is_required(key) => "required".to_owned(),
                Value::Null => "–".to_owned(),
                default => format!("`{}`", as_toml(default)),
            };
            let meaning = [description(value), self.choices(value)].concat();
            let (takes, meaning) = (self.type_of(value), meaning.replace('|', "\\|"));
            writeln!(rows, "| `{key}` | {takes} | {default} | {meaning} |").unwrap();
        }
        if !rows.is_empty() {
            *text += "\n| key | takes | default | meaning |\n|---|---|---|---|\n";
            *text += &rows;
        }
    }

    fn resolve(&self, value: &'s Value) -> (Option<&'s str>, &'s Value) {
        match value["$ref"].as_str() {
            Some(path) => {
                let name = path.rsplit('/').next().unwrap();
                (Some(name), &self.schema["$defs"][name])
            }
            None => (None, value),
        }
    }

    fn type_of(&self, value: &'s Value) -> String {
        let (name, value) = self.resolve(value);
        if let Some(name) = name.filter(|_| is_section(value)) {
            let title = title(name);
            let anchor = title.to_lowercase().replace(' ', "-");
            return format!("[{}](#{anchor})", title.to_lowercase());
        }
        if let Some(word) = value["const"].as_str() {
            return format!("`\"{word}\"`");
        }
        if forms(value).next().is_some() {
            let types: Vec<String> = forms(value)
                .filter(|form| form["type"] != "null")
                .map(|form| self.type_of(form))
                .collect();
            return types.join(" or ");
        }
        let word = match &value["type"] {
            Value::Array(types) => types.iter().find_map(Value::as_str),
            other => other.as_str(),
        };
        match word {
            Some("integer") => "whole number".into(),
            Some("string") => "text".into(),
            Some("boolean") => "true or false".into(),
            Some("array") if value["items"].is_null() => "list".into(),
            Some("array") => format!("list of {}", self.type_of(&value["items"])),
            Some("object") => match value["properties"].as_object() {
                Some(properties) => {
                    let inside: Vec<String> = properties
                        .iter()
                        .map(|(key, value)| format!("{key} = {}", self.type_of(value)))
                        .collect();
                    format!("`{{ {} }}`", inside.join(", "))
                }
                None if value["additionalProperties"]["$ref"].is_string() => {
                    let of = self.type_of(&value["additionalProperties"]);
                    format!("a table for each: {of}")
                }
                None => "table".into(),
            },
            Some(other) => other.into(),
            None => "anything".into(),
        }
    }

    /// What each word or form that a key takes means, for forms that have no section of their own.
    fn choices(&self, value: &'s Value) -> String {
        let (_, value) = self.resolve(value);
        if is_section(value) {
            return String::new();
        }
        let mut text = String::new();
        for form in forms(value) {
            let is_word = form["const"].is_string() || form["properties"].is_object();
            if is_word && form["description"].is_string() {
                let word = self.type_of(form).replace('"', "");
                write!(text, "<br>{word}: {}", description(form)).unwrap();
            } else {
                text += &self.choices(form);
            }
        }
        text
    }
}

/// The definitions that `value` names, in order.
fn references<'s>(value: &'s Value, found: &mut VecDeque<&'s str>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter().filter(|(key, _)| *key != "$defs") {
                match value.as_str() {
                    Some(path) if key == "$ref" => found.extend(path.rsplit('/').next()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                references(value, found);
            }
        }
        _ => {}
    }
}

/// Whether a definition is a table of the file, rather than a word or a number.
fn is_section(value: &Value) -> bool {
    value["properties"].is_object()
        && kind(value).is_none()
        && value["additionalProperties"] == false
        && value["required"].as_array().map_or(0, Vec::len)
            != value["properties"]
                .as_object()
                .map_or(0, serde_json::Map::len)
        || value["properties"]["model"].is_object()
        || forms(value).any(|form| kind(form).is_some())
}

fn forms(value: &Value) -> impl Iterator<Item = &Value> {
    ["oneOf", "anyOf"]
        .iter()
        .filter_map(|key| value[key].as_array())
        .flatten()
}

fn kind(value: &Value) -> Option<&str> {
    value["properties"]["kind"]["const"].as_str()
}

fn description(value: &Value) -> String {
    value["description"]
        .as_str()
        .unwrap_or_default()
        .replace('\n', " ")
}

/// `WeakToStrongConfig` becomes "Weak to strong".
fn title(name: &str) -> String {
    let name = name.trim_end_matches("Config").trim_end_matches("Options");
    let mut title = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !title.is_empty() {
            title.push(' ');
            title.extend(c.to_lowercase());
        } else {
            title.push(c);
        }
    }
    title
}

/// A default as one would write it; a table that has a `kind` by its name.
fn as_toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            if let Some(kind) = fields.get("kind") {
                return as_toml(kind);
            }
            let fields: Vec<String> = (fields.iter())
                .map(|(key, value)| format!("{key} = {}", as_toml(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(as_toml).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}
