//! A chat model of this process that answers with a closure.

use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab_core::chat::{
    Answer, ChatModel, Estimator, Finish, ModelError, OptionLogProb, OptionScores, Outcome, Reply,
    Request, Usage,
};

/// Answers every request at once with what a closure makes of it, and counts.
pub struct ScriptedModel {
    name: String,
    script: Box<dyn Fn(&Request) -> Outcome + Send + Sync>,
    n_asked: AtomicUsize,
}

impl ScriptedModel {
    /// `script` sees the whole request, and may fail it.
    pub fn new(
        name: impl Into<String>,
        script: impl Fn(&Request) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            script: Box::new(script),
            n_asked: AtomicUsize::new(0),
        }
    }

    /// Says what `script` says, whatever is asked.
    pub fn replies(
        name: impl Into<String>,
        script: impl Fn(&Request) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, move |request| Ok(reply(script(request))))
    }

    /// How many requests it was asked.
    pub fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::Relaxed)
    }
}

impl ChatModel for ScriptedModel {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        for (i, request) in requests.enumerate() {
            self.n_asked.fetch_add(1, Ordering::Relaxed);
            answered(i, (self.script)(&request));
        }
        Ok(())
    }
}

/// A reply that ends by itself; a token a word.
pub fn reply(text: impl Into<String>) -> Answer {
    let text = text.into();
    let usage = Usage {
        output_tokens: text.split_whitespace().count() as u64,
        ..Usage::default()
    };
    Answer::Reply(Reply {
        text,
        finish: Finish::Stop,
        usage,
        tokens: Vec::new(),
    })
}

/// Scores of options with these probabilities, which need not add up to 1.
pub fn option_scores(probabilities: &[f64]) -> Answer {
    Answer::Options(OptionScores {
        log_probs: (probabilities.iter())
            .map(|p| OptionLogProb::Is(p.ln()))
            .collect(),
        estimator: Estimator::Scored,
        usage: Usage::default(),
    })
}

/// What was said last; nothing where nothing was said.
pub fn last_message(request: &Request) -> &str {
    request.messages.last().map_or("", |last| &last.content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::Seed;
    use trimtab_core::chat::{Ask, Generation, Message, Role};

    #[test]
    fn it_answers_in_order_and_counts() {
        let model = ScriptedModel::replies("echo", |request| last_message(request).to_owned());
        let request = |text: &str| Request {
            messages: vec![Message::new(Role::User, text)],
            ask: Ask::Reply(Generation::default()),
            sample_idx: 0,
            seed: Seed(0),
        };
        let model: &dyn ChatModel = &model;
        let outcomes = model.ask_all(vec![request("a"), request("b c")]).unwrap();
        assert_eq!(outcomes, [Ok(reply("a")), Ok(reply("b c"))]);
    }

    #[test]
    fn option_scores_have_the_probabilities_given() {
        let Answer::Options(scores) = option_scores(&[0.6, 0.2]) else {
            unreachable!()
        };
        assert!((scores.probabilities()[0] - 0.75).abs() < 1e-12);
        assert!((scores.mass() - 0.8).abs() < 1e-12);
    }
}
