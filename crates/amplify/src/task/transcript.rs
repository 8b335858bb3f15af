//! An expert's work as a predictor of the expert reads and writes it: H′ has the shape of a learner, with what was asked and
//! answered so far for facts.
//!
//! ```text
//! facts      number of the exchange, its question, its answer     in order; padding up to the interaction length
//! question   number of the next exchange, the question that is worked at
//! step       "ask", a question    or    "answer", an answer
//! ```
//!
//! Symbols: the task's, then "ask", "answer", and numbers from 0. Why there is no answer is lost: the scripted expert does not
//! look at it either, so that its step is a function of what is written here.
//!
//! The paper writes a transcript as one sequence; here its rows carry their numbers.

use super::Task;
use super::instance::Instance;
use super::question::{IDK, MOST_FIELDS, Question, Symbol};
use crate::expert::Step;
use crate::tree::Exchange;
use crate::unanswered::Unanswered;

/// What a predictor is made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TranscriptShape {
    /// Symbols: every one is below it.
    pub n_symbols: usize,
    /// Symbols of a row.
    pub fact_fields: usize,
    /// Rows, always.
    pub n_facts: usize,
    /// Symbols of the question.
    pub question_fields: usize,
    /// Symbols of a step.
    pub step_fields: usize,
}

impl Task {
    fn ask_symbol(&self) -> Symbol {
        self.shape().n_symbols as Symbol
    }

    fn answer_symbol(&self) -> Symbol {
        self.ask_symbol() + 1
    }

    fn number_symbol(&self, number: usize) -> Symbol {
        self.answer_symbol() + 1 + number.min(self.shape().interaction_length) as Symbol
    }

    /// What a predictor of the expert is made to fit.
    pub fn transcript_shape(&self) -> TranscriptShape {
        let shape = self.shape();
        TranscriptShape {
            n_symbols: usize::from(self.number_symbol(usize::MAX)) + 1,
            fact_fields: shape.question_fields + 2,
            n_facts: shape.interaction_length,
            question_fields: shape.question_fields + 1,
            step_fields: shape.question_fields + 1,
        }
    }

    /// What the expert has before it: the exchanges as facts, and the question. Of more exchanges than the interaction length has
    /// room for, the first.
    pub fn transcript(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> (Instance, Question) {
        let TranscriptShape {
            fact_fields,
            n_facts,
            question_fields,
            ..
        } = self.transcript_shape();
        let mut facts = vec![IDK; n_facts * fact_fields];
        for (number, (row, exchange)) in
            (facts.chunks_exact_mut(fact_fields).zip(exchanges)).enumerate()
        {
            row[0] = self.number_symbol(number);
            write(exchange.question.symbols(), &mut row[1..fact_fields - 1]);
            row[fact_fields - 1] = *exchange.answer.as_ref().unwrap_or(&IDK);
        }
        let mut symbols = [IDK; MOST_FIELDS];
        symbols[0] = self.number_symbol(exchanges.len());
        write(question.symbols(), &mut symbols[1..question_fields]);
        let instance = Instance::new(fact_fields, facts);
        (instance, Question::new(&symbols[..question_fields]))
    }

    /// A step in symbols; `None` of one that asks several questions at once, or none.
    pub fn step_to_symbols(&self, step: &Step<Question, Symbol>) -> Option<Vec<Symbol>> {
        let mut symbols = vec![IDK; self.transcript_shape().step_fields];
        match step {
            Step::Ask(questions) => {
                let [question] = &questions[..] else {
                    return None;
                };
                symbols[0] = self.ask_symbol();
                write(question.symbols(), &mut symbols[1..]);
            }
            Step::Finish(said) => {
                symbols[0] = self.answer_symbol();
                symbols[1] = *said.as_ref().unwrap_or(&IDK);
            }
        }
        Some(symbols)
    }

    /// The step that was written; what comes after an answer is not read. What is no step, no question of the task or no symbol of
    /// it is [`Unanswered::Unparsed`].
    pub fn step_from_symbols(&self, symbols: &[Symbol]) -> Step<Question, Symbol> {
        let fits = symbols.len() == self.transcript_shape().step_fields;
        match symbols {
            [kind, question @ ..] if fits && *kind == self.ask_symbol() => {
                let question = Question::new(question);
                if self.is_question(&question) {
                    return Step::Ask(vec![question]);
                }
            }
            [kind, answer, ..] if fits && *kind == self.answer_symbol() => {
                if *answer == IDK {
                    return Step::Finish(Err(Unanswered::DontKnow));
                }
                if *answer < self.ask_symbol() {
                    return Step::Finish(Ok(*answer));
                }
            }
            _ => {}
        }
        let reply: Vec<String> = (symbols.iter().take(MOST_FIELDS + 1))
            .map(|&symbol| self.transcript_symbol_in_words(symbol))
            .collect();
        let reply = reply.join(" ");
        Step::Finish(Err(Unanswered::Unparsed { reply }))
    }

    fn transcript_symbol_in_words(&self, symbol: Symbol) -> String {
        if symbol < self.ask_symbol() {
            self.symbol_in_words(symbol)
        } else if symbol == self.ask_symbol() {
            "ask".into()
        } else if symbol == self.answer_symbol() {
            "answer".into()
        } else {
            format!("#{symbol}")
        }
    }
}

/// As much of `from` as there is room for: a predictor may be shown what is no question.
fn write(from: &[Symbol], to: &mut [Symbol]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{PermutationPowering, ShortestPath, UnionFind};

    const POWERS: PermutationPowering = PermutationPowering {
        elements: 4,
        bits: 3,
    };
    const TASK: Task = Task::PermutationPowering(POWERS);

    #[test]
    fn a_transcript_by_hand() {
        let exchange = |element, power, answer| Exchange {
            question: POWERS.power(element, power),
            answer,
        };
        let exchanges = [exchange(3, 2, Ok(5)), exchange(5, 2, Err(Unanswered::Loop))];
        let (facts, question) = TASK.transcript(&POWERS.power(3, 5), &exchanges);
        // 0 to 6 are the task's, 7 asks, 8 answers, 9 is the first, 10 the second, 11 the third.
        assert_eq!(question.symbols(), [11, 3, 2, 1, 2]);
        assert_eq!(
            facts.symbols(),
            [
                [9, 3, 1, 2, 1, 5],
                [10, 5, 1, 2, 1, IDK],
                [IDK, IDK, IDK, IDK, IDK, IDK]
            ]
            .concat()
        );
        assert_eq!(
            TASK.transcript_shape(),
            TranscriptShape {
                n_symbols: 13,
                fact_fields: 6,
                n_facts: 3,
                question_fields: 5,
                step_fields: 5,
            }
        );
    }

    #[test]
    fn what_is_no_step_is_unparsed() {
        let reply = |symbols: &[Symbol]| match TASK.step_from_symbols(symbols) {
            Step::Finish(Err(Unanswered::Unparsed { reply })) => reply,
            step => panic!("{step:?}"),
        };
        // No kind, no question, no symbol, no length.
        assert_eq!(reply(&[3, 3, 1, 1, 2]), "e0 e0 0 0 1");
        assert_eq!(reply(&[7, 1, 1, 1, 2]), "ask 0 0 0 1");
        assert_eq!(reply(&[8, 9, 0, 0, 0]), "answer #9 ? ? ?");
        assert_eq!(reply(&[8, 3]), "answer e0");
        assert_eq!(reply(&[]), "");
        // After an answer nothing is read.
        assert_eq!(
            TASK.step_from_symbols(&[8, 4, 9, 9, 9]),
            Step::Finish(Ok(4))
        );
        let nothing = Step::Finish(Err(Unanswered::DontKnow));
        assert_eq!(TASK.step_from_symbols(&[8, 0, 0, 0, 0]), nothing);
    }

    #[test]
    fn several_questions_at_once_have_no_symbols() {
        let question = POWERS.power(3, 2);
        assert_eq!(TASK.step_to_symbols(&Step::Ask(vec![question; 2])), None);
        assert_eq!(TASK.step_to_symbols(&Step::Ask(vec![])), None);
    }

    #[test]
    fn the_largest_tasks_have_room_for_all_symbols() {
        for task in [
            Task::UnionFind(UnionFind {
                variables: 64,
                values: 8,
            }),
            Task::ShortestPath(ShortestPath {
                vertices: 64,
                edges_per_vertex: 4,
            }),
            Task::PermutationPowering(PermutationPowering {
                elements: 64,
                bits: 6,
            }),
        ] {
            let shape = task.transcript_shape();
            assert!(shape.n_symbols <= 256 && shape.question_fields <= MOST_FIELDS);
        }
    }
}
