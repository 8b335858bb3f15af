//! The texts an experiment is made of, laid end to end in one space of byte offsets.
//!
//! The TOML reader gives every key and value a byte range in its own text. Shifted by where that
//! text begins here, the range also says *which* text: a merged tree needs no other book-keeping.

use std::ops::Range;

use super::error::{ExperimentFileError, Place, Problem};

/// A byte range in the shared space.
pub(super) type Span = Range<usize>;

/// Every text read so far.
#[derive(Debug, Default)]
pub(super) struct Sources {
    texts: Vec<Text>,
    /// From the bottom up. A file is read before those it extends, and laid after them.
    layers: Vec<TextId>,
}

#[derive(Debug)]
struct Text {
    name: String,
    body: String,
    start: usize,
    is_override: bool,
    layer: usize,
}

/// Names one text.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextId(usize);

impl Sources {
    /// Adds a file.
    pub(super) fn add_file(&mut self, name: String, text: String) -> TextId {
        self.add(name, text, false)
    }

    /// Adds an override and lays it on top.
    pub(super) fn add_override(&mut self, text: &str) {
        let id = self.add("--set".to_owned(), text.to_owned(), true);
        self.lay(id);
    }

    fn add(&mut self, name: String, body: String, is_override: bool) -> TextId {
        // One byte between two texts: the end of a text is a place of its own.
        let start = self
            .texts
            .last()
            .map_or(0, |last| last.start + last.body.len() + 1);
        self.texts.push(Text {
            name,
            body,
            start,
            is_override,
            layer: 0,
        });
        TextId(self.texts.len() - 1)
    }

    /// Lays a text over everything laid so far.
    pub(super) fn lay(&mut self, id: TextId) {
        self.texts[id.0].layer = self.layers.len();
        self.layers.push(id);
    }

    /// The texts, from the bottom layer up.
    pub(super) fn layers(&self) -> impl Iterator<Item = TextId> {
        self.layers.iter().copied()
    }

    /// Where a text begins in the shared space.
    pub(super) fn start(&self, id: TextId) -> usize {
        self.texts[id.0].start
    }

    /// The text itself.
    pub(super) fn text(&self, id: TextId) -> &str {
        &self.texts[id.0].body
    }

    /// What is written at a span.
    pub(super) fn written(&self, span: &Span) -> &str {
        let text = self.at(span.start);
        text.body
            .get(span.start - text.start..span.end - text.start)
            .unwrap_or_default()
    }

    /// Whether a text is an override.
    pub(super) fn is_override(&self, id: TextId) -> bool {
        self.texts[id.0].is_override
    }

    /// Whether a span lies in an override.
    pub(super) fn in_override(&self, span: &Span) -> bool {
        self.at(span.start).is_override
    }

    /// Precedence of the text that a span lies in; higher is later.
    pub(super) fn layer(&self, span: &Span) -> usize {
        self.at(span.start).layer
    }

    /// The text that holds an offset.
    ///
    /// # Panics
    ///
    /// When there is no text: spans come from texts.
    fn at(&self, offset: usize) -> &Text {
        let after = self.texts.partition_point(|text| text.start <= offset);
        &self.texts[after - 1]
    }

    /// An error that points at a span.
    pub(super) fn error(
        &self,
        problem: Problem,
        span: &Span,
        label: impl AsRef<str>,
        help: impl Into<String>,
    ) -> ExperimentFileError {
        let text = self.at(span.start);
        let local = span.start - text.start..span.end - text.start;
        let (name, body) = (&text.name, &text.body);
        let place = Place::new(name, body, &local, label.as_ref(), text.is_override);
        ExperimentFileError::new(problem, help).at(place)
    }
}
