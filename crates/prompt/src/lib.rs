//! Prompts as files: a text with declared variables; values go in, a text comes out.
//!
//! ```text
//! ---
//! variables: question, reply
//! ---
//! {{question}} The reply was: {{reply}}
//! ```
//!
//! The first lines declare the variables; what follows is the prompt, without blanks at its end. Every declared
//! variable stands in it, and every variable in it is declared. `render` takes a value for each, and no others.
//!
//! Values are what users and models wrote: they are put in as they are and never read as a template, so that a reply of
//! `{{question}}` stays those twelve characters. There are no conditions, loops or filters: what varies is decided in
//! code, where it is typed.
//!
//! A prompt is known by its name, its version and the SHA-256 of its file, which goes into manifests.

mod embedded;
mod fence;

pub use embedded::rendered;
pub use fence::fenced;

use sha2::{Digest, Sha256};

/// A prompt, read from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    name: String,
    sha256: String,
    variables: Vec<String>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The place in `variables`.
    Variable(usize),
}

/// What is wrong with a prompt's file, or with the values that it is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The file does not begin with its variables.
    #[error("prompt {prompt}: its file does not begin with the lines `---`, `variables: …`, `---`")]
    NoDeclaration {
        /// Which prompt.
        prompt: String,
    },
    /// This is no name of a variable.
    #[error("prompt {prompt}: line {line}: {variable:?} is no name of a variable")]
    BadName {
        /// Which prompt.
        prompt: String,
        /// Where in the file, from 1.
        line: usize,
        /// What stands there.
        variable: String,
    },
    /// A variable is declared twice.
    #[error("prompt {prompt}: variable `{variable}` is declared twice")]
    DeclaredTwice {
        /// Which prompt.
        prompt: String,
        /// Which variable.
        variable: String,
    },
    /// `{{` without `}}`.
    #[error("prompt {prompt}: line {line}: `{{{{` is not closed on its line")]
    Unclosed {
        /// Which prompt.
        prompt: String,
        /// Where in the file, from 1.
        line: usize,
    },
    /// A variable stands in the text, and is not declared.
    #[error("prompt {prompt}: line {line}: variable `{variable}` is not declared")]
    Undeclared {
        /// Which prompt.
        prompt: String,
        /// Where in the file, from 1.
        line: usize,
        /// Which variable.
        variable: String,
    },
    /// A variable is declared, and does not stand in the text.
    #[error("prompt {prompt}: variable `{variable}` is declared and never used")]
    Unused {
        /// Which prompt.
        prompt: String,
        /// Which variable.
        variable: String,
    },
    /// There is nothing after the declaration.
    #[error("prompt {prompt}: there is no text")]
    Empty {
        /// Which prompt.
        prompt: String,
    },
    /// A variable was given no value.
    #[error("prompt {prompt}: variable `{variable}` was given no value")]
    Missing {
        /// Which prompt.
        prompt: String,
        /// Which variable.
        variable: String,
    },
    /// A value was given for something that the prompt does not declare, or given twice.
    #[error("prompt {prompt}: a value too many, for `{variable}`")]
    Unexpected {
        /// Which prompt.
        prompt: String,
        /// For which variable.
        variable: String,
    },
}

impl PromptError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoDeclaration { .. } => {
                "declare every variable at the top: `variables: question, reply`; nothing after the colon for none".into()
            }
            Self::BadName { .. } => "names are lower-case letters, digits and `_`".into(),
            Self::DeclaredTwice { .. } => "leave one".into(),
            Self::Unclosed { .. } => "write `{{name}}`".into(),
            Self::Undeclared { variable, .. } => {
                format!("add `{variable}` to `variables:` at the top, or mend its name")
            }
            Self::Unused { variable, .. } => {
                format!("write `{{{{{variable}}}}}` where it belongs, or take it off `variables:`")
            }
            Self::Empty { .. } => "write the prompt below the second `---`".into(),
            Self::Missing { .. } | Self::Unexpected { .. } => {
                "the values and the prompt's `variables:` must be the same names".into()
            }
        }
    }
}

impl Prompt {
    /// Reads a prompt from the text of its file. `name` is what messages and manifests call it:
    /// `constitution/critique.v1`.
    ///
    /// # Errors
    ///
    /// [`PromptError`] says which line.
    pub fn parse(name: &str, source: &str) -> Result<Self, PromptError> {
        let prompt = || name.to_owned();
        // A checkout may have turned the ends of lines.
        let source = source.replace("\r\n", "\n");
        let (declared, body) = (source.strip_prefix("---\nvariables:"))
            .and_then(|rest| rest.split_once('\n'))
            .and_then(|(declared, rest)| Some((declared, rest.strip_prefix("---\n")?)))
            .ok_or_else(|| PromptError::NoDeclaration { prompt: prompt() })?;

        let mut variables: Vec<String> = Vec::new();
        for variable in (declared.split(','))
            .map(str::trim)
            .filter(|v| !v.is_empty())
        {
            check_name(name, 2, variable)?;
            if variables.iter().any(|v| v == variable) {
                return Err(PromptError::DeclaredTwice {
                    prompt: prompt(),
                    variable: variable.into(),
                });
            }
            variables.push(variable.into());
        }

        let body = body.trim_end();
        if body.is_empty() {
            return Err(PromptError::Empty { prompt: prompt() });
        }
        let parts = parse_body(name, body, &variables)?;
        let used = |i: usize| parts.contains(&Part::Variable(i));
        if let Some(i) = (0..variables.len()).find(|&i| !used(i)) {
            return Err(PromptError::Unused {
                prompt: prompt(),
                variable: variables.swap_remove(i),
            });
        }
        Ok(Self {
            name: prompt(),
            sha256: hex(&Sha256::digest(source.as_bytes())),
            variables,
            parts,
        })
    }

    /// The text, with each variable's value in its place.
    ///
    /// # Errors
    ///
    /// [`PromptError::Missing`] and [`PromptError::Unexpected`] name the variable.
    pub fn render(&self, values: &[(&str, &str)]) -> Result<String, PromptError> {
        let mut given: Vec<Option<&str>> = vec![None; self.variables.len()];
        for &(variable, value) in values {
            let place = (self.variables.iter()).position(|declared| declared == variable);
            match place.map(|i| &mut given[i]) {
                Some(slot @ None) => *slot = Some(value),
                _ => {
                    return Err(PromptError::Unexpected {
                        prompt: self.name.clone(),
                        variable: variable.into(),
                    });
                }
            }
        }
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Text(text) => text,
                Part::Variable(i) => given[*i].ok_or_else(|| PromptError::Missing {
                    prompt: self.name.clone(),
                    variable: self.variables[*i].clone(),
                })?,
            });
        }
        Ok(text)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of its file (ends of lines as `\n`), in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its variables, as declared.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }
}

/// Text and variables by turns. The body begins on line 4.
fn parse_body(name: &str, body: &str, variables: &[String]) -> Result<Vec<Part>, PromptError> {
    let mut parts = Vec::new();
    let mut rest = body;
    while let Some((text, after)) = rest.split_once("{{") {
        let line = 4 + body[..body.len() - after.len()].matches('\n').count();
        let inside = after.split_once("}}").filter(|(v, _)| !v.contains('\n'));
        let Some((variable, after)) = inside else {
            return Err(PromptError::Unclosed {
                prompt: name.into(),
                line,
            });
        };
        let variable = variable.trim();
        check_name(name, line, variable)?;
        let Some(i) = variables.iter().position(|v| v == variable) else {
            return Err(PromptError::Undeclared {
                prompt: name.into(),
                line,
                variable: variable.into(),
            });
        };
        parts.push(Part::Text(text.into()));
        parts.push(Part::Variable(i));
        rest = after;
    }
    parts.push(Part::Text(rest.into()));
    Ok(parts)
}

fn check_name(prompt: &str, line: usize, variable: &str) -> Result<(), PromptError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if variable.is_empty() || !variable.chars().all(fits) {
        return Err(PromptError::BadName {
            prompt: prompt.into(),
            line,
            variable: variable.into(),
        });
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(source: &str) -> Result<Prompt, PromptError> {
        Prompt::parse("test.v1", source)
    }

    fn said(source: &str) -> String {
        let error = parse(source).unwrap_err();
        assert!(!error.hint().is_empty());
        error.to_string()
    }

    #[test]
    fn values_stand_in_their_places() {
        let prompt = parse("---\nvariables: a, b\n---\n{{a}}, {{ b }}!\nAnd {{a}}.\n\n").unwrap();
        let text = prompt.render(&[("b", "two"), ("a", "one")]).unwrap();
        assert_eq!(text, "one, two!\nAnd one.");
        assert_eq!(prompt.variables().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_prompt_may_have_no_variables() {
        let prompt = parse("---\nvariables:\n---\nGo on. { } }}").unwrap();
        assert_eq!(prompt.render(&[]).unwrap(), "Go on. { } }}");
    }

    #[test]
    fn values_are_never_read_as_a_template() {
        let prompt = parse("---\nvariables: a, b\n---\n{{a}}{{b}}").unwrap();
        let text = prompt.render(&[("a", "{{b}}"), ("b", "{{")]).unwrap();
        assert_eq!(text, "{{b}}{{");
    }

    #[test]
    fn what_is_wrong_with_values_is_named() {
        let prompt = parse("---\nvariables: a, b\n---\n{{a}}{{b}}").unwrap();
        let said = |values: &[(&str, &str)]| prompt.render(values).unwrap_err().to_string();
        assert_eq!(
            said(&[("a", "")]),
            "prompt test.v1: variable `b` was given no value"
        );
        for values in [
            [("a", ""), ("b", ""), ("c", "")],
            [("c", ""), ("a", ""), ("b", "")],
        ] {
            assert_eq!(said(&values), "prompt test.v1: a value too many, for `c`");
        }
        assert_eq!(
            said(&[("a", ""), ("b", ""), ("a", "")]),
            "prompt test.v1: a value too many, for `a`"
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        for undeclaring in [
            "Hello",
            "---\nvars: a\n---\n{{a}}",
            "---\nvariables: a\n{{a}}",
        ] {
            assert!(said(undeclaring).contains("does not begin with the lines"));
        }
        let head = "---\nvariables: a\n---\n";
        assert_eq!(
            said(&format!("{head}{{{{a}}}}\n{{{{b}}}}")),
            "prompt test.v1: line 5: variable `b` is not declared"
        );
        assert_eq!(
            said(&format!("{head}\n\n{{{{a\n}}}}")),
            "prompt test.v1: line 6: `{{` is not closed on its line"
        );
        assert_eq!(
            said(&format!("{head}{{{{A b}}}}")),
            "prompt test.v1: line 4: \"A b\" is no name of a variable"
        );
        assert_eq!(
            said("---\nvariables: a, b\n---\n{{a}}"),
            "prompt test.v1: variable `b` is declared and never used"
        );
        assert_eq!(
            said("---\nvariables: a, a\n---\n{{a}}"),
            "prompt test.v1: variable `a` is declared twice"
        );
        assert_eq!(
            said(&format!("{head}\n \n")),
            "prompt test.v1: there is no text"
        );
    }

    #[test]
    fn the_hash_is_of_the_file_whatever_ends_its_lines() {
        let unix = parse("---\nvariables: a\n---\n{{a}}\n").unwrap();
        let windows = parse("---\r\nvariables: a\r\n---\r\n{{a}}\r\n").unwrap();
        assert_eq!(unix, windows);
        // printf '---\nvariables: a\n---\n{{a}}\n' | sha256sum
        assert_eq!(
            unix.sha256(),
            "c8be30d9a982c38cc143b731113078a647e2cb0a54a6c6ed6b00221667a828fd"
        );
    }

    proptest! {
        #[test]
        fn whatever_a_value_holds_comes_out_as_it_is(value: String) {
            let prompt = parse("---\nvariables: a\n---\n<{{a}}>").unwrap();
            let text = prompt.render(&[("a", &value)]).unwrap();
            prop_assert_eq!(text, format!("<{value}>"));
        }

        #[test]
        fn any_file_is_a_prompt_or_an_error(body: String) {
            let _either = parse(&format!("---\nvariables:\n---\n{body}"));
            let _or = parse(&body);
        }
    }
}
