//! From the rows of a job's results to the outcomes of its calls.
//!
//! A call that is one request is sent under its key, in 64 hexadecimal digits. One that is sampled is several requests:
//! each under the first 56 digits of the key, `-`, and its number, which is as much as providers take (64 characters).

use std::collections::BTreeMap;

use serde_json::Value;
use trimtab_core::chat::{Answer, Estimator, Failure, FailureClass, OptionScores, Outcome, Usage};

use crate::answer::{as_counts, as_log_probs, as_reply};
use crate::call::refused;
use crate::completion::Completion;
use crate::exchange::Received;
use crate::job_reading::Row;
use crate::key::{Asked, Call, CallKey, Otherwise};
use crate::prices::Service;
use crate::source::Answered;
use crate::trouble::Trouble;

/// Digits of a key in the identifier of a sample.
const N_DIGITS: usize = 56;

/// What a call's one request is sent as.
pub(crate) fn id(key: &CallKey) -> String {
    key.to_string()
}

/// What one of a call's samples is sent as.
pub(crate) fn id_of_sample(key: &CallKey, sample: u32) -> String {
    format!("{:.N_DIGITS$}-{sample}", key.to_string())
}

/// What an identifier stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Whole(CallKey),
    Sample(CallKey, u32),
}

/// Which of `calls` was sent as `id`.
fn sent_as(id: &str, calls: &BTreeMap<CallKey, Call>) -> Option<Sent> {
    if let Ok(key) = id.parse::<CallKey>() {
        return calls.contains_key(&key).then_some(Sent::Whole(key));
    }
    let (digits, sample) = id.split_once('-')?;
    if digits.len() != N_DIGITS {
        return None;
    }
    let first: CallKey = format!("{digits}{}", "0".repeat(64 - N_DIGITS))
        .parse()
        .ok()?;
    let (key, _) = calls.range(first..).next()?;
    let is_it = key.0[..N_DIGITS / 2] == first.0[..N_DIGITS / 2];
    let sample = sample.parse().ok()?;
    is_it.then_some(Sent::Sample(*key, sample))
}

/// Takes rows, and hands over what calls come to.
pub(crate) struct Results<'a> {
    calls: &'a BTreeMap<CallKey, Call>,
    got: &'a mut dyn FnMut(CallKey, Answered),
    samples: BTreeMap<CallKey, BTreeMap<u32, Result<Received, Failure>>>,
    /// Rejections, held back until something else comes: a server that rejects everything has judged nothing.
    rejected: Vec<(CallKey, Failure)>,
    holds_back: bool,
}

/// Everything was rejected, and this was said to the last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TookNothing {
    pub(crate) n: usize,
    pub(crate) message: String,
}

impl<'a> Results<'a> {
    /// `has_completed`: whether the server is known to answer such requests.
    pub(crate) fn new(
        calls: &'a BTreeMap<CallKey, Call>,
        has_completed: bool,
        got: &'a mut dyn FnMut(CallKey, Answered),
    ) -> Self {
        Self {
            calls,
            got,
            samples: BTreeMap::new(),
            rejected: Vec::new(),
            holds_back: !has_completed,
        }
    }

    /// Takes a line. What cannot be read, or is of no call, is as if it were not there.
    pub(crate) fn line(
        &mut self,
        line: &str,
        row: impl FnOnce(&Value) -> Option<Row>,
        clean: impl Fn(Trouble) -> Trouble,
    ) {
        let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        let Some(Row { id, read }) = row(&value) else {
            return;
        };
        let Some(sent) = sent_as(&id, self.calls) else {
            return;
        };
        let read = read.or_else(|trouble| settled(clean(trouble)));
        match sent {
            Sent::Whole(key) => self.whole(key, read),
            Sent::Sample(key, sample) => {
                let read = read.map_err(without_log_probs);
                self.samples.entry(key).or_default().insert(sample, read);
            }
        }
    }

    fn whole(&mut self, key: CallKey, read: Result<Received, Failure>) {
        let Some(asked) = self.calls.get(&key).and_then(Call::asked) else {
            return;
        };
        let (outcome, raw) = match (asked, read) {
            (Asked::Reply { .. }, Err(failure)) => (Err(without_log_probs(failure)), None),
            (Asked::Options { .. }, Err(failure)) => (Err(failure), None),
            (Asked::Reply { stop }, Ok(received)) => {
                (Ok(as_reply(received.completion, &stop)), received.raw)
            }
            (Asked::Options { texts, .. }, Ok(received)) => {
                let completion = received.completion;
                let usage = completion.usage;
                let outcome = as_log_probs(&texts, &completion).map(|log_probs| {
                    Answer::Options(OptionScores {
                        log_probs,
                        estimator: Estimator::TopLogProbs,
                        usage,
                    })
                });
                (outcome.ok_or_else(no_log_probs), received.raw)
            }
        };
        self.hand_over(key, outcome, raw);
    }

    fn hand_over(&mut self, key: CallKey, outcome: Outcome, raw: Option<String>) {
        match outcome {
            Err(failure) if self.holds_back && failure.class == FailureClass::Rejected => {
                self.rejected.push((key, failure));
            }
            outcome => {
                self.holds_back = false;
                (self.got)(key, answered(outcome, raw));
            }
        }
    }

    /// Counts the samples of each call, and hands over what was held back: unless there is nothing else, and it is
    /// `enough`. Whether the server is known now to answer.
    pub(crate) fn end(mut self, enough: usize) -> Result<bool, TookNothing> {
        for (key, samples) in std::mem::take(&mut self.samples) {
            if let Some((outcome, raw)) = self.counted(key, samples) {
                self.hand_over(key, outcome, raw);
            }
        }
        if self.holds_back && self.rejected.len() >= enough {
            let n = self.rejected.len();
            let last = self.rejected.pop();
            let message = last.map_or(String::new(), |(_, failure)| failure.message);
            return Err(TookNothing { n, message });
        }
        for (key, failure) in self.rejected {
            (self.got)(key, answered(Err(failure), None));
        }
        Ok(!self.holds_back)
    }

    /// What a call's samples come to.
    fn counted(
        &self,
        key: CallKey,
        samples: BTreeMap<u32, Result<Received, Failure>>,
    ) -> Option<(Outcome, Option<String>)> {
        let Some(Asked::Options {
            texts,
            otherwise: Otherwise::Sample(n),
        }) = self.calls.get(&key).and_then(Call::asked)
        else {
            return None;
        };
        let mut completions: Vec<Completion> = Vec::new();
        let mut raws = Vec::new();
        for read in samples.into_values() {
            match read {
                Ok(received) => {
                    completions.push(received.completion);
                    raws.extend(received.raw);
                }
                Err(failure) => return Some((Err(failure), None)),
            }
        }
        if completions.len() < n as usize {
            let message = format!(
                "the batch job ended with {} of its {n} samples",
                completions.len()
            );
            let class = FailureClass::Unavailable;
            return Some((Err(Failure { class, message }), None));
        }
        let usage =
            (completions.iter()).fold(Usage::default(), |sum, completion| sum + completion.usage);
        let scores = as_counts(&texts, completions.iter(), usage);
        let raw = format!("[{}]", raws.join(","));
        Some((Ok(Answer::Options(scores)), Some(raw)))
    }
}

fn answered(outcome: Outcome, raw: Option<String>) -> Answered {
    Answered {
        outcome,
        raw,
        n_attempts: 1,
        secs: 0.0,
        service: Service::Batch,
    }
}

fn no_log_probs() -> Failure {
    Failure {
        class: FailureClass::NoLogProbs,
        message: "the server gave no log-probabilities".into(),
    }
}

/// Where none are asked for, their absence is no reason.
fn without_log_probs(failure: Failure) -> Failure {
    match failure.class {
        FailureClass::NoLogProbs => Failure {
            class: FailureClass::Rejected,
            ..failure
        },
        _ => failure,
    }
}

/// What a request comes to that is not tried again by this process.
fn settled(trouble: Trouble) -> Result<Received, Failure> {
    let failed = |class, message| Err(Failure { class, message });
    match trouble {
        Trouble::Refused(message) => Ok(refused(message)),
        Trouble::Failed(failure) => Err(failure),
        Trouble::Again(again) => Err(again.give_up(1)),
        Trouble::NoLogProbs(message) => failed(FailureClass::NoLogProbs, message),
        // They say nothing of the request.
        Trouble::NotFound(message) => failed(FailureClass::Unavailable, message),
        Trouble::Fatal(error) => failed(FailureClass::Unavailable, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use trimtab_core::Seed;
    use trimtab_core::chat::{Ask, Generation, Message, Options, Request, Role, WithoutLogProbs};

    use super::*;
    use crate::openai_jobs;

    fn request(text: &str, ask: Ask) -> Request {
        Request {
            messages: vec![Message::new(Role::User, text)],
            ask,
            sample_idx: 0,
            seed: Seed(0),
        }
    }

    fn say(text: &str) -> Request {
        request(text, Ask::Reply(Generation::default()))
    }

    fn choose(text: &str) -> Request {
        let texts = vec!["A".into(), "B".into()];
        let otherwise = WithoutLogProbs::Sample { n: 3 };
        request(text, Ask::Options(Options { texts, otherwise }))
    }

    fn calls(requests: &[Request]) -> BTreeMap<CallKey, Call> {
        (requests.iter())
            .map(|request| Call::new("m", request))
            .map(|call| (call.key, call))
            .collect()
    }

    fn says(id: &str, text: &str) -> Value {
        let body =
            json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] });
        json!({ "custom_id": id, "response": { "status_code": 200, "body": body } })
    }

    fn rejects(id: &str) -> Value {
        let body = json!({ "error": { "message": "bad temperature" } });
        json!({ "custom_id": id, "response": { "status_code": 400, "body": body } })
    }

    fn read(
        calls: &BTreeMap<CallKey, Call>,
        rows: &[Value],
    ) -> (BTreeMap<CallKey, Outcome>, Result<bool, TookNothing>) {
        let mut outcomes = BTreeMap::new();
        let mut got = |key, answered: Answered| {
            outcomes.entry(key).or_insert(answered.outcome);
        };
        let mut results = Results::new(calls, false, &mut got);
        for row in rows {
            results.line(&row.to_string(), openai_jobs::row, |trouble| trouble);
        }
        let ended = results.end(2);
        (outcomes, ended)
    }

    proptest! {
        #[test]
        fn identifiers_lead_back_to_their_calls(texts in prop::collection::btree_set("[a-z]{1,6}", 1..20), sample in 0..10_000_000_u32) {
            let requests: Vec<Request> = texts.iter().map(|text| say(text)).collect();
            let calls = calls(&requests);
            for key in calls.keys() {
                prop_assert_eq!(sent_as(&id(key), &calls), Some(Sent::Whole(*key)));
                let sampled = id_of_sample(key, sample);
                prop_assert!(sampled.len() <= 64);
                prop_assert_eq!(sent_as(&sampled, &calls), Some(Sent::Sample(*key, sample)));
            }
            let other = Call::new("other", &requests[0]).key;
            prop_assert_eq!(sent_as(&id(&other), &calls), None);
            prop_assert_eq!(sent_as(&id_of_sample(&other, sample), &calls), None);
        }

        #[test]
        fn no_line_panics(line in ".{0,60}") {
            let calls = calls(&[say("x")]);
            let mut got = |_, _| panic!("nothing was asked like this");
            Results::new(&calls, true, &mut got).line(&line, openai_jobs::row, |trouble| trouble);
        }
    }

    #[test]
    fn samples_are_counted_when_all_are_there_and_the_first_failure_counts() {
        let [whole, part, failed] = ["whole", "part", "failed"].map(choose);
        let calls = calls(&[whole.clone(), part.clone(), failed.clone()]);
        let key = |request: &Request| Call::new("m", request).key;
        let sample = |request: &Request, i| id_of_sample(&key(request), i);
        let rows = [
            says(&sample(&whole, 2), "B"),
            says(&sample(&whole, 0), " A."),
            says(&sample(&whole, 1), "Neither"),
            says(&sample(&part, 0), "A"),
            // The same row twice.
            says(&sample(&part, 0), "A"),
            says(&sample(&failed, 0), "A"),
            rejects(&sample(&failed, 1)),
        ];
        let (outcomes, ended) = read(&calls, &rows);
        assert_eq!(ended, Ok(true));
        let Ok(Answer::Options(scores)) = &outcomes[&key(&whole)] else {
            panic!("{outcomes:?}");
        };
        let estimator = Estimator::Sampled {
            counts: vec![1, 1],
            n_other: 1,
        };
        assert_eq!(scores.estimator, estimator);
        let class = |request: &Request| outcomes[&key(request)].as_ref().unwrap_err().class;
        assert_eq!(class(&part), FailureClass::Unavailable);
        assert_eq!(class(&failed), FailureClass::Rejected);
    }

    #[test]
    fn a_server_that_rejects_everything_has_judged_nothing() {
        let requests = ["1", "2", "3"].map(say);
        let calls = calls(&requests);
        let ids: Vec<String> = calls.keys().map(id).collect();
        let all = [rejects(&ids[0]), rejects(&ids[1]), rejects(&ids[2])];
        let (outcomes, ended) = read(&calls, &all);
        assert!(outcomes.is_empty());
        let took_nothing = ended.unwrap_err();
        assert_eq!(took_nothing.n, 3);
        assert!(took_nothing.message.contains("bad temperature"));
        // One is data, and so are all where one is answered.
        let (outcomes, ended) = read(&calls, &all[..1]);
        assert_eq!((outcomes.len(), ended), (1, Ok(false)));
        let some = [rejects(&ids[0]), rejects(&ids[1]), says(&ids[2], "hi")];
        let (outcomes, ended) = read(&calls, &some);
        assert_eq!((outcomes.len(), ended), (3, Ok(true)));
    }

    #[test]
    fn log_probabilities_are_read_and_missed() {
        let [shown, hidden] = ["shown", "hidden"].map(choose);
        let calls = calls(&[shown.clone(), hidden.clone()]);
        let key = |request: &Request| Call::new("m", request).key;
        let mut row = says(&id(&key(&shown)), "A");
        row["response"]["body"]["choices"][0]["logprobs"] = json!({
            "content": [{ "token": "A", "logprob": -0.5, "top_logprobs": [{ "token": "B", "logprob": -1.5 }] }],
        });
        let rows = [row, says(&id(&key(&hidden)), "A")];
        let (outcomes, _) = read(&calls, &rows);
        let Ok(Answer::Options(scores)) = &outcomes[&key(&shown)] else {
            panic!("{outcomes:?}");
        };
        assert_eq!(scores.log_probs[0].value(), -0.5);
        let failure = outcomes[&key(&hidden)].as_ref().unwrap_err();
        assert_eq!(failure.class, FailureClass::NoLogProbs);
    }
}
