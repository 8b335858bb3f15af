//! The network: facts are encoded once a context, and questions about them are answered, all contexts at once.
//!
//! ```text
//! fact      Σ_field table[field][symbol]; one more, learned, in every context
//! encoder   facts of a context attend to each other; then a norm
//! answer    a question, Σ_field table[field][symbol], attends to its context's facts, layer by layer; then a norm, then the head
//! ```
//!
//! There are no positions: facts are a set, and questions do not see each other. The paper's learner is the same but for the
//! head ([`crate::head`]), norms and sizes: 6 and 3 layers of 512, where a laptop has 2 and 2 of 64.

use std::ops::Range;

use trimtab_core::setting::ConfigError;
use trimtab_core::{Seed, SplitMix64};
use trimtab_kernel::sets::{Heads, Span};

use crate::block::{Kept, Sight, padded, zero};
use crate::head::{Head, softmax};
use crate::layout::Layout;
use crate::rows::{Rows, RowsError, same_count};
use crate::shape::Shape;

/// A network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) shape: Shape,
    pub(crate) layout: Layout,
    pub(crate) parameters: Vec<f32>,
}

/// Why parameters make no network.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParametersError {
    /// Its sizes make none.
    #[error(transparent)]
    Shape(#[from] ConfigError),
    /// There are more or fewer of them.
    #[error("{got} parameters, where the shape has {want}")]
    Count {
        /// How many there are.
        got: usize,
        /// How many there must be.
        want: usize,
    },
}

impl ParametersError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Shape(_) => "mend the shape",
            Self::Count { .. } => "give the shape that the parameters were saved with",
        }
    }
}

/// Which layers' way there is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Keep {
    /// The last one's: there is no way back.
    #[default]
    Last,
    /// All.
    All,
}

impl Keep {
    /// Which buffers layer `i` fills.
    fn place(self, i: usize, kept: &mut Vec<Kept>) -> &mut Kept {
        let place = match self {
            Self::Last => 0,
            Self::All => i,
        };
        if kept.len() <= place {
            kept.resize_with(place + 1, Kept::default);
        }
        &mut kept[place]
    }
}

/// Facts as a network sees them: made once, for any number of questions. Memory is kept from one use to the next.
#[derive(Debug, Clone, Default)]
pub struct Encoded {
    pub(crate) keep: Keep,
    pub(crate) facts: Rows,
    /// Rows of every context, the learned one first.
    pub(crate) spans: Vec<Span>,
    pub(crate) x: Vec<f32>,
    pub(crate) kept: Vec<Kept>,
    pub(crate) normed: Vec<f32>,
    pub(crate) memory: Vec<f32>,
}

/// Probabilities of every symbol, by question and output. Memory is kept from one use to the next.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub(crate) keep: Keep,
    pub(crate) questions: Rows,
    pub(crate) spans: Vec<Span>,
    pub(crate) x: Vec<f32>,
    pub(crate) kept: Vec<Kept>,
    pub(crate) hidden: Vec<f32>,
    pub(crate) head: Head,
    outputs: usize,
    symbols: usize,
    probabilities: Vec<f32>,
}

impl Network {
    /// A network that has learnt nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the shape makes no network.
    pub fn new(shape: Shape, seed: Seed) -> Result<Self, ConfigError> {
        shape.check()?;
        let layout = Layout::new(&shape);
        Ok(Self {
            parameters: layout.init(seed),
            shape,
            layout,
        })
    }

    /// A network of parameters that were saved.
    ///
    /// # Errors
    ///
    /// [`ParametersError`] when the shape makes no network, or one of another number of parameters.
    pub fn with_parameters(shape: Shape, parameters: Vec<f32>) -> Result<Self, ParametersError> {
        shape.check()?;
        let layout = Layout::new(&shape);
        let (got, want) = (parameters.len(), layout.n_parameters());
        if got != want {
            return Err(ParametersError::Count { got, want });
        }
        Ok(Self {
            shape,
            layout,
            parameters,
        })
    }

    /// Its sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// All that it has learnt.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// What lies where among the parameters, in order, by name.
    pub fn ranges(&self) -> &[(String, Range<usize>)] {
        &self.layout.ranges
    }

    /// Moves this network, a teacher, towards a student: `θ ← decay θ + (1 − decay) θ′`.
    ///
    /// # Panics
    ///
    /// When the two have different shapes.
    pub fn average(&mut self, student: &Self, decay: f32) {
        assert_eq!(
            self.shape, student.shape,
            "a teacher and a student of one shape"
        );
        for (mine, &theirs) in self.parameters.iter_mut().zip(&student.parameters) {
            *mine = decay * *mine + (1.0 - decay) * theirs;
        }
    }

    pub(crate) fn heads(&self) -> Heads {
        Heads {
            n: self.shape.heads,
            width: self.shape.width / self.shape.heads,
        }
    }

    /// Reads facts, context by context.
    ///
    /// # Errors
    ///
    /// [`RowsError`] when they are not what the shape says.
    pub fn encode(&self, facts: &Rows, encoded: &mut Encoded) -> Result<(), RowsError> {
        let Self {
            shape,
            layout,
            parameters: p,
        } = self;
        facts.check("facts", shape.fact_fields, shape.symbols)?;
        encoded.facts.clone_from(facts);
        encoded.spans.clear();
        encoded.spans.extend((0..facts.n_contexts()).map(|i| {
            let Range { start, end } = facts.context(i);
            let rows = [start + i, end + i + 1];
            Span {
                queries: rows,
                keys: rows,
            }
        }));
        let (width, n) = (shape.width, facts.n_rows() + facts.n_contexts());
        zero(&mut encoded.x, padded(n) * width);
        for (i, span) in encoded.spans.iter().enumerate() {
            let [first, end] = span.keys;
            let x = &mut encoded.x[first * width..end * width];
            let (extra, x) = x.split_at_mut(width);
            extra.copy_from_slice(&p[layout.extra..][..width]);
            self.embed(layout.fact_tables, facts, facts.context(i), x);
        }
        for (i, block) in layout.encoder.iter().enumerate() {
            let sight = encoded_sight(self.heads(), &encoded.spans, n);
            let kept = encoded.keep.place(i, &mut encoded.kept);
            block.forward(p, sight, &mut encoded.x, kept);
        }
        layout
            .encoder_norm
            .forward(p, &encoded.x, &mut encoded.normed);
        layout
            .memory
            .forward(p, &encoded.normed, &mut encoded.memory);
        Ok(())
    }

    /// `x` gets the sums of tables of the rows `which`.
    fn embed(&self, tables: usize, rows: &Rows, which: Range<usize>, x: &mut [f32]) {
        let Shape { width, symbols, .. } = self.shape;
        for (i, x) in which.zip(x.chunks_exact_mut(width)) {
            for (field, &symbol) in rows.row(i).iter().enumerate() {
                let at = tables + (field * symbols + usize::from(symbol)) * width;
                for (x, table) in x.iter_mut().zip(&self.parameters[at..][..width]) {
                    *x += table;
                }
            }
        }
    }

    /// Scores of everything that an answer can be taken from.
    pub(crate) fn score(
        &self,
        encoded: &Encoded,
        questions: &Rows,
        answers: &mut Answers,
    ) -> Result<(), RowsError> {
        let Self {
            shape,
            layout,
            parameters: p,
        } = self;
        questions.check("questions", shape.question_fields, shape.symbols)?;
        let (got, want) = (questions.n_contexts(), encoded.facts.n_contexts());
        same_count("contexts of questions", got, want)?;
        answers.questions.clone_from(questions);
        answers.spans.clear();
        answers
            .spans
            .extend((encoded.spans.iter().enumerate()).map(|(i, span)| {
                let Range { start, end } = questions.context(i);
                Span {
                    queries: [start, end],
                    keys: span.keys,
                }
            }));
        let n = questions.n_rows();
        zero(&mut answers.x, padded(n) * shape.width);
        self.embed(layout.question_tables, questions, 0..n, &mut answers.x);
        for (i, block) in layout.answer.iter().enumerate() {
            let kept = answers.keep.place(i, &mut answers.kept);
            let sight = Sight {
                heads: self.heads(),
                spans: &answers.spans,
                n,
                memory: &encoded.memory,
                memory_width: layout.memory.outputs,
            };
            block.forward(p, sight, &mut answers.x, kept);
        }
        layout
            .answer_norm
            .forward(p, &answers.x, &mut answers.hidden);
        answers.head.forward(
            (shape, layout, p),
            (&answers.hidden, &encoded.memory),
            (questions, &encoded.spans),
        );
        Ok(())
    }

    /// Answers questions about facts that this network has encoded; contexts are in the same order.
    ///
    /// # Errors
    ///
    /// [`RowsError`] when the questions are not what the shape says, or are about another number of contexts.
    pub fn answer(
        &self,
        encoded: &Encoded,
        questions: &Rows,
        answers: &mut Answers,
    ) -> Result<(), RowsError> {
        self.score(encoded, questions, answers)?;
        let (outputs, symbols) = (self.shape.outputs, self.shape.symbols);
        (answers.outputs, answers.symbols) = (outputs, symbols);
        zero(
            &mut answers.probabilities,
            questions.n_rows() * outputs * symbols,
        );
        let probabilities = &mut answers.probabilities;
        (answers.head).each(
            (&self.shape, &self.layout),
            (questions, &encoded.facts),
            |slots| {
                softmax(slots.row);
                let p = &mut probabilities[(slots.question * outputs + slots.output) * symbols..]
                    [..symbols];
                for (&share, &symbol) in slots.row.iter().zip(slots.holds) {
                    p[usize::from(symbol)] += share;
                }
            },
        );
        Ok(())
    }
}

pub(crate) fn encoded_sight(heads: Heads, spans: &[Span], n: usize) -> Sight<'_> {
    Sight {
        heads,
        spans,
        n,
        memory: &[],
        memory_width: 0,
    }
}

impl Answers {
    /// Questions that were answered.
    pub fn n_questions(&self) -> usize {
        self.probabilities.len() / (self.outputs * self.symbols).max(1)
    }

    /// Probabilities of all symbols for one output of one question; questions are counted over all contexts.
    ///
    /// # Panics
    ///
    /// When there is no such question or output.
    pub fn probabilities(&self, question: usize, output: usize) -> &[f32] {
        assert!(output < self.outputs, "output {output} of {}", self.outputs);
        &self.probabilities[(question * self.outputs + output) * self.symbols..][..self.symbols]
    }

    /// The likeliest symbol, the first of them where several are.
    pub fn best(&self, question: usize, output: usize) -> u8 {
        let p = self.probabilities(question, output);
        (0..p.len()).fold(0, |best, i| if p[i] > p[best] { i } else { best }) as u8
    }

    /// A symbol drawn with its probability.
    pub fn draw(&self, question: usize, output: usize, stream: &mut SplitMix64) -> u8 {
        let p = self.probabilities(question, output);
        let mut left = stream.next_f64() * p.iter().map(|&p| f64::from(p)).sum::<f64>();
        for (symbol, &p) in p.iter().enumerate() {
            left -= f64::from(p);
            if left < 0.0 {
                return symbol as u8;
            }
        }
        self.best(question, output)
    }
}

impl Encoded {
    /// Rows that the encoder sees, the learned ones too.
    pub(crate) fn n(&self) -> usize {
        self.facts.n_rows() + self.facts.n_contexts()
    }

    pub(crate) fn for_training() -> Self {
        Self {
            keep: Keep::All,
            ..Self::default()
        }
    }
}

impl Answers {
    pub(crate) fn for_training() -> Self {
        Self {
            keep: Keep::All,
            ..Self::default()
        }
    }
}
