//! The plain data as JSON: everything a report shows, every digit, names as they are.
//!
//! Characters that a terminal would not print as they stand are written as `\u` escapes, which every
//! reader of JSON takes for the same text.
//! Keys come in the order of the structs, so the same summary gives the same bytes.

use std::fmt::Write as _;

use serde::Serialize;

use crate::text;

/// Pretty-printed JSON with a newline at its end, of a summary or a comparison.
///
/// # Panics
///
/// Never for the types of [`crate::summary`]: they are trees of strings and numbers.
pub fn render<T: Serialize>(data: &T) -> String {
    let text = serde_json::to_string_pretty(data).expect("plain data always serialises");
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // Beyond ASCII they only stand inside strings; within it serde has escaped them already.
        if c.is_ascii() || !text::is_unsafe(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a string takes any text");
            }
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn numbers_keep_every_digit_and_names_every_character() {
        let summary = example::summary();
        let text = render(&summary);
        assert_eq!(text, render(&summary.clone()));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value["variants"][2]["methods"][2]["name"],
            example::HOSTILE_METHOD
        );
        assert_eq!(value["variants"][2]["methods"][0]["pgr"]["kind"], "no-gap");
        assert_eq!(
            value["variants"][0]["weak"]["accuracy"]["low"].as_f64(),
            Some(summary.variants[0].weak.accuracy.low),
        );
    }

    #[test]
    fn comparisons_are_data_too() {
        let value: serde_json::Value =
            serde_json::from_str(&render(&example::comparison())).unwrap();
        assert_eq!(value["rows"].as_array().map(Vec::len), Some(6));
    }
}
