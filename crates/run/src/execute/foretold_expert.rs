//! An expert of a dry run: whatever it is asked, it asks for as many sub-questions as it may, and answers.
//!
//! The calls that it is asked are counted by the model behind it. So a forecast of amplification is of the largest trees that the
//! settings allow; a real expert stops earlier.

use std::sync::atomic::{AtomicU64, Ordering};

use trimtab_core::chat::{Answer, ChatModel, ModelError, Outcome, Request};

/// The placeholder's expert.
pub(super) struct ForetoldExpert<'a> {
    pub(super) counted: &'a dyn ChatModel,
    pub(super) most_sub_questions: u32,
    /// Counts over the whole run: what is asked for in one tree is not asked for in another.
    pub(super) n_asked: &'a AtomicU64,
}

impl ChatModel for ForetoldExpert<'_> {
    fn name(&self) -> String {
        self.counted.name()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        self.counted.ask(requests, &mut |i, outcome| {
            let outcome = outcome.map(|answer| match answer {
                Answer::Reply(mut reply) => {
                    let n = self.n_asked.fetch_add(1, Ordering::Relaxed);
                    // Different every time: a question that is asked again is not asked.
                    let questions = (0..self.most_sub_questions)
                        .map(|k| format!("Question: part {k} of {n}?\n"));
                    reply.text = questions.chain(["Answer: 0".to_owned()]).collect();
                    Answer::Reply(reply)
                }
                options @ Answer::Options(_) => options,
            });
            answered(i, outcome);
        })
    }
}
