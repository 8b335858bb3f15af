//! The layers of an experiment, merged: files from the bottom up, then overrides.

use toml::Spanned;

use super::error::{ExperimentFileError, Problem};
use super::overrides;
use super::source::{Sources, Span, TextId};
use super::sweep::{self, Axis};
use super::tree::{self, Blocked, Fault, MAX_DEPTH, Obstacle, Segment, Table};
use super::{every_method, variants};

/// Keys of the file that are not the configuration's.
pub(super) const RESERVED: [&str; 4] = ["extends", "sweep", variants::KEY, every_method::KEY];

/// One experiment, before its sweep is spread out.
#[derive(Debug)]
pub(super) struct Layered<'a> {
    /// The name of the variant that it is, if the files have any.
    pub(super) variant: Option<String>,
    /// The configuration; its span is the start of the top file.
    pub(super) root: Spanned<Table<'a>>,
    /// What is swept, in order of writing.
    pub(super) axes: Vec<Axis<'a>>,
}

/// Merges every layer of `sources`, once for each variant.
pub(super) fn merge(sources: &Sources) -> Result<Vec<Layered<'_>>, ExperimentFileError> {
    let names = variants::names(sources)?;
    if names.is_empty() {
        return Ok(vec![merge_one(sources, None, &names)?]);
    }
    let each = names.iter();
    each.map(|name| merge_one(sources, Some(name), &names))
        .collect()
}

fn merge_one<'a>(
    sources: &'a Sources,
    variant: Option<&str>,
    names: &[String],
) -> Result<Layered<'a>, ExperimentFileError> {
    let mut root = Table::new();
    let mut axes = Vec::new();
    let mut top = 0..0;
    let mut set_paths = Vec::new();
    let mut set_by_variant = Vec::new();
    for id in sources.layers() {
        if sources.is_override(id) {
            let mut set = overrides::parse(sources, id)?;
            match set.path[0].name.as_ref() {
                "sweep" => {
                    let path = set.path.split_off(1);
                    sweep::add(&mut axes, sweep::axis(sources, path, set.span, set.value)?);
                    continue;
                }
                variants::KEY => {
                    let name = &set.path[1];
                    if !names.iter().any(|known| *known == name.name) {
                        return Err(variants::unknown(sources, &name.name, names, &name.span));
                    }
                    if variant != Some(name.name.as_ref()) {
                        continue;
                    }
                    set.path.drain(..2);
                }
                _ => {}
            }
            tree::set(&mut root, &set.path, set.value)
                .map_err(|blocked| path_error(sources, &root, &set.path, &blocked))?;
            set_paths.push(set.path);
        } else {
            let mut table = parse_file(sources, id)?;
            top = sources.start(id)..sources.start(id);
            for axis in sweep::take(sources, &mut table)? {
                sweep::add(&mut axes, axis);
            }
            let of_file = variants::take(sources, &mut table)?;
            table.remove("extends");
            every_method::apply(sources, &mut table)?;
            tree::merge(&mut root, table);
            for (name, _, settings) in of_file {
                if variant == Some(name.as_str()) {
                    set_by_variant.push(settings.clone());
                    tree::merge(&mut root, settings);
                }
            }
        }
    }
    let axes = sweep::settle(sources, &root, axes, &set_paths)?;
    for settings in &set_by_variant {
        sweep::refuse_both(sources, &axes, settings)?;
    }
    Ok(Layered {
        variant: variant.map(str::to_owned),
        root: Spanned::new(top, root),
        axes,
    })
}

/// Parses a file's text.
pub(super) fn parse_file(sources: &Sources, id: TextId) -> Result<Table<'_>, ExperimentFileError> {
    tree::parse_table(sources.text(id), sources.start(id))
        .map_err(|fault| fault_error(sources, &fault))
}

/// An error for a text without a tree.
pub(super) fn fault_error(sources: &Sources, fault: &Fault) -> ExperimentFileError {
    if let Some(message) = &fault.syntax {
        return syntax_error(sources, message, &fault.span);
    }
    let help = "an experiment needs about six levels; look for brackets that are never closed";
    let problem = Problem::TooDeep { max: MAX_DEPTH };
    sources.error(problem, &fault.span, "one level too many", help)
}

fn syntax_error(sources: &Sources, message: &str, span: &Span) -> ExperimentFileError {
    let help = match message {
        m if m.starts_with("string values must be quoted") => "put texts in quotes: key = \"text\"",
        m if m.starts_with("invalid boolean") => "write `true` or `false`, in lower case",
        m if m.starts_with("duplicate key") => {
            "keep one of the two; a `[table]` line, too, may stand only once"
        }
        m if m.starts_with("key with no value") => "write `key = value`",
        m if m.starts_with("unclosed") || m.contains("string, expected") => {
            "close what is open: a quote, a bracket or a brace"
        }
        m if m.starts_with("unexpected key or value") => "put each `key = value` on its own line",
        m if m.starts_with("unexpected leading zero") => "leave out the leading zero",
        _ => "lines read `key = value` or `[table]`; https://toml.io describes the format",
    };
    // The parser's list of what it expected helps where something is left open, not elsewhere.
    let (fault, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let label = if expected.is_empty() || help.starts_with("put texts") {
        "here".to_owned()
    } else {
        format!("expected {}", expected.replace(", ", " or "))
    };
    let problem = match fault {
        "duplicate key" => format!("`{}` is given twice", sources.written(span)),
        "recursion limit" => "nested too deeply".to_owned(),
        fault => fault.to_owned(),
    };
    sources.error(Problem::Syntax { message: problem }, span, label, help)
}

/// An error for a dotted path that does not fit the tree.
pub(super) fn path_error(
    sources: &Sources,
    root: &Table<'_>,
    path: &[Segment<'_>],
    blocked: &Blocked,
) -> ExperimentFileError {
    let whole = tree::dotted(path);
    let before = tree::dotted(&path[..blocked.step]);
    let segment = &path[blocked.step];
    let (reason, help) = match blocked.by {
        Obstacle::Scalar(kind) => {
            let value = tree::get(root, &path[..blocked.step]);
            let written = value.map_or("", |value| sources.written(&value.span()));
            let reason = format!("`{before}` has no parts, it is the {kind} {written}");
            (reason, format!("set `{before}` itself, or check the path"))
        }
        Obstacle::Array(0) => {
            let reason = format!("`{before}` is an empty list");
            (reason, format!("set the whole list: `{before}=[…]`"))
        }
        Obstacle::Array(n) => {
            let reason = match segment.name.parse::<usize>() {
                Ok(index) => format!("`{before}` has no entry {index}, it has {n}"),
                Err(_) => format!("`{before}` is a list of {n}; say which entry"),
            };
            let mut fixed = path.to_vec();
            let example = if segment.name.parse::<usize>().is_ok() {
                fixed[blocked.step].name = (n - 1).to_string().into();
                tree::dotted(&fixed)
            } else {
                format!("{before}.0.{}", tree::dotted(&path[blocked.step..]))
            };
            (reason, format!("entries count from 0, as in `{example}`"))
        }
    };
    let problem = Problem::PathBlocked {
        path: whole,
        reason,
    };
    sources.error(problem, &segment.span, "leads nowhere", help)
}
