//! A chat model that is a closure, and answers in another order than it is asked.

use trimtab_core::Seed;
use trimtab_core::chat::{
    Answer, Ask, ChatModel, Estimator, Failure, FailureClass, Finish, Message, ModelError,
    OptionLogProb, OptionScores, Outcome, Reply, Request, Role, Usage,
};

pub(crate) struct Scripted<F>(pub(crate) F);

impl<F: Fn(&Request) -> Outcome + Send + Sync> ChatModel for Scripted<F> {
    fn name(&self) -> String {
        "script".into()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        // Three at a time, the last one first: nothing may depend on order.
        let mut requests = requests.enumerate();
        loop {
            let batch: Vec<(usize, Request)> = requests.by_ref().take(3).collect();
            if batch.is_empty() {
                return Ok(());
            }
            for (i, request) in batch.into_iter().rev() {
                answered(i, (self.0)(&request));
            }
        }
    }
}

pub(crate) const USAGE: Usage = Usage {
    input_tokens: 10,
    cached_tokens: 0,
    output_tokens: 2,
};

pub(crate) fn says(text: impl Into<String>) -> Outcome {
    ends(text, Finish::Stop)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "an outcome is what a script returns"
)]
pub(crate) fn ends(text: impl Into<String>, finish: Finish) -> Outcome {
    Ok(Answer::Reply(Reply {
        text: text.into(),
        finish,
        usage: USAGE,
        tokens: vec![],
    }))
}

pub(crate) fn fails(class: FailureClass) -> Outcome {
    Err(Failure {
        class,
        message: format!("{class:?}"),
    })
}

pub(crate) fn log_probs(a: f64, b: f64) -> Outcome {
    scored(
        [OptionLogProb::Is(a), OptionLogProb::Is(b)],
        Estimator::Scored,
    )
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "an outcome is what a script returns"
)]
pub(crate) fn scored(log_probs: [OptionLogProb; 2], estimator: Estimator) -> Outcome {
    Ok(Answer::Options(OptionScores {
        log_probs: log_probs.to_vec(),
        estimator,
        usage: USAGE,
    }))
}

pub(crate) fn last(request: &Request) -> &str {
    &request.messages.last().unwrap().content
}

pub(crate) fn settings(request: &Request) -> (f64, u32) {
    match &request.ask {
        Ask::Reply(generation) => (generation.temperature, generation.max_tokens),
        Ask::Options(_) => panic!("no reply is asked for"),
    }
}

pub(crate) fn user(text: &str) -> Vec<Message> {
    vec![Message::new(Role::User, text)]
}

/// What stands between the tags of reply A and of reply B.
pub(crate) fn shown(request: &Request) -> [String; 2] {
    let asked = &request.messages[0].content;
    ["reply_a", "reply_b"].map(|tag| {
        let (_, rest) = asked.split_once(&format!("<{tag}>\n")).unwrap();
        let (text, _) = rest.split_once(&format!("\n</{tag}>")).unwrap();
        text.to_owned()
    })
}

pub(crate) const SEED: Seed = Seed(7);
