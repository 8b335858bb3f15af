//! A source that answers from a function, a few requests at a time, last come first.

use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab_core::Seed;
use trimtab_core::chat::{
    Answer, Ask, Finish, Generation, Message, ModelError, Outcome, Reply, Request, Role, Usage,
};
use trimtab_llm::{Answered, Service, Source};

/// Answers what its function says.
pub(crate) struct Scripted {
    pub(crate) identity: String,
    pub(crate) answer: Box<dyn Fn(&Request) -> Outcome + Send + Sync>,
    pub(crate) n_in_flight: usize,
    pub(crate) n_asked: AtomicUsize,
    /// After so many answers nothing more can be asked.
    pub(crate) fails_after: Option<usize>,
}

impl Scripted {
    pub(crate) fn new(answer: impl Fn(&Request) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            identity: "scripted:a".into(),
            answer: Box::new(answer),
            n_in_flight: 3,
            n_asked: AtomicUsize::new(0),
            fails_after: None,
        }
    }

    /// Repeats the last message.
    pub(crate) fn echo() -> Self {
        Self::new(|request| Ok(reply(&request.messages[request.messages.len() - 1].content)))
    }

    pub(crate) fn asked(&self) -> usize {
        self.n_asked.load(Ordering::Relaxed)
    }
}

impl Source for Scripted {
    fn name(&self) -> String {
        "scripted".into()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Answered),
    ) -> Result<(), ModelError> {
        let mut in_flight = Vec::new();
        let mut next = 0;
        loop {
            while in_flight.len() < self.n_in_flight {
                let Some(request) = requests.next() else {
                    break;
                };
                in_flight.push((next, request));
                next += 1;
            }
            let Some((i, request)) = in_flight.pop() else {
                return Ok(());
            };
            let n_asked = self.n_asked.fetch_add(1, Ordering::Relaxed);
            if self.fails_after.is_some_and(|n| n_asked >= n) {
                return Err(ModelError {
                    model: self.name(),
                    hint: None,
                    source: "the plug was pulled".into(),
                });
            }
            answered(
                i,
                Answered {
                    outcome: (self.answer)(&request),
                    raw: Some("{}".into()),
                    n_attempts: 1,
                    secs: 0.25,
                    service: Service::Direct,
                },
            );
        }
    }
}

pub(crate) fn reply(text: &str) -> Answer {
    Answer::Reply(Reply {
        text: text.into(),
        finish: Finish::Stop,
        usage: Usage {
            input_tokens: 10,
            cached_tokens: 4,
            output_tokens: 5,
        },
        tokens: Vec::new(),
    })
}

pub(crate) fn user(text: &str) -> Request {
    Request {
        messages: vec![Message::new(Role::User, text)],
        ask: Ask::Reply(Generation::default()),
        sample_idx: 0,
        seed: Seed(0),
    }
}
