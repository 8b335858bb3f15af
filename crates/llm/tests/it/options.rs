//! Options by log-probabilities, and by samples where there are none.

use trimtab_core::chat::{
    Answer, Estimator, FailureClass, OptionLogProb, OptionScores, Outcome, WithoutLogProbs,
};
use trimtab_llm_testkit::{Fault, Faults, LogProbShape, RequestView, Scripted, ScriptedServer};

use super::{anthropic, ask, ask_one, choose, openai, quick};

const FAIL: WithoutLogProbs = WithoutLogProbs::Fail;
const SAMPLE: WithoutLogProbs = WithoutLogProbs::Sample { n: 10 };

fn scores(outcome: &Outcome) -> &OptionScores {
    match outcome {
        Ok(Answer::Options(scores)) => scores,
        other => panic!("no scores: {other:?}"),
    }
}

fn a_to_b(_: &RequestView) -> Scripted {
    Scripted::tokens(&[&[("A", 0.6), (" B", 0.25), ("The", 0.05)]])
}

#[test]
fn both_shapes_give_the_same_scores() {
    for shape in [LogProbShape::Chat, LogProbShape::Legacy] {
        let scripted = ScriptedServer::builder(a_to_b).log_probs(shape);
        let scripted = scripted.start().unwrap();
        let server = openai(&scripted, quick());
        let answered = ask_one(&server, choose("?", &["A", "B", "C"], FAIL));
        let scores = scores(&answered.outcome);
        assert_eq!(scores.estimator, Estimator::TopLogProbs);
        let [a, b, c] = scores.log_probs[..] else {
            panic!("three options")
        };
        assert_eq!(a, OptionLogProb::Is(0.6_f64.ln()));
        assert_eq!(b, OptionLogProb::Is(0.25_f64.ln()));
        assert_eq!(c, OptionLogProb::AtMost(0.05_f64.ln()));
        assert!((scores.mass() - 0.85).abs() < 1e-12);
        assert_eq!(scores.usage.output_tokens, 1);
        assert_eq!(scripted.log().n_received(), 1);
    }
}

#[test]
fn a_server_that_ignores_log_probabilities_is_asked_for_them_once() {
    let scripted = ScriptedServer::builder(a_to_b).log_probs(LogProbShape::Ignored);
    let scripted = scripted.start().unwrap();
    let server = openai(&scripted, quick());
    let failed = ask_one(&server, choose("?", &["A", "B"], FAIL));
    assert_eq!(failed.outcome.unwrap_err().class, FailureClass::NoLogProbs);
    assert_eq!(scripted.log().n_received(), 1);
    let again = ask_one(&server, choose("?", &["A", "B"], FAIL));
    assert_eq!(again.outcome.unwrap_err().class, FailureClass::NoLogProbs);
    assert_eq!((again.n_attempts, scripted.log().n_received()), (0, 1));
}

#[test]
fn a_server_that_refuses_log_probabilities_is_one_without() {
    let scripted = ScriptedServer::builder(|request| match request.top_log_probs() {
        Some(_) => Scripted::openai_error(422, "extra", "`logprobs` is not permitted"),
        None => Scripted::text("B"),
    });
    let scripted = scripted.start().unwrap();
    let answered = ask_one(
        &openai(&scripted, quick()),
        choose("?", &["A", "B"], SAMPLE),
    );
    let Estimator::Sampled { counts, n_other } = &scores(&answered.outcome).estimator else {
        panic!("sampled")
    };
    assert_eq!((counts.as_slice(), *n_other), (&[0, 10][..], 0));
}

#[test]
fn a_server_that_shows_five_is_asked_for_five() {
    let scripted = ScriptedServer::builder(|request| match request.top_log_probs() {
        Some(n) if n > 5 => Scripted::openai_error(400, "bad", "top_logprobs must be at most 5"),
        _ => a_to_b(request),
    });
    let scripted = scripted.start().unwrap();
    let answered = ask_one(&openai(&scripted, quick()), choose("?", &["A", "B"], FAIL));
    assert_eq!(
        scores(&answered.outcome).log_probs[0],
        OptionLogProb::Is(0.6_f64.ln())
    );
}

/// By the seed of the request: six of ten say A, one says B, three say neither though they have the letter in them.
fn says(request: &RequestView) -> Scripted {
    let n = request.hash % 10;
    Scripted::text(match n {
        0..=5 => " A",
        6 => "B.",
        _ => "Well, B is no answer and A is none",
    })
}

#[test]
fn without_log_probabilities_replies_are_counted_and_the_trap_is_avoided() {
    let scripted = ScriptedServer::builder(says).log_probs(LogProbShape::Ignored);
    let scripted = scripted.start().unwrap();
    let server = openai(&scripted, quick());
    let otherwise = WithoutLogProbs::Sample { n: 400 };
    let answered = ask_one(&server, choose("?", &["A", "B"], otherwise));
    let scores = scores(&answered.outcome);
    let Estimator::Sampled { counts, n_other } = &scores.estimator else {
        panic!("sampled")
    };
    let shares: Vec<f64> = [counts[0], counts[1], *n_other]
        .map(|n| f64::from(n) / 400.0)
        .to_vec();
    for (share, expected) in shares.iter().zip([0.6, 0.1, 0.3]) {
        assert!((share - expected).abs() < 0.1, "{shares:?}");
    }
    let expected = ((f64::from(counts[1]) + 1.0) / 402.0).ln();
    assert_eq!(scores.log_probs[1], OptionLogProb::Is(expected));
    // The call that showed that there are none was paid for too.
    assert_eq!(scripted.log().n_received(), 401);
    assert_eq!(answered.n_attempts, 401);
    let raws: Vec<serde_json::Value> = serde_json::from_str(&answered.raw.unwrap()).unwrap();
    assert_eq!(raws.len(), 401);
}

#[test]
fn anthropic_has_none_and_samples_at_once() {
    let scripted = ScriptedServer::builder(|_| Scripted::text("B"));
    let scripted = scripted.start().unwrap();
    let server = anthropic(&scripted, quick());
    let failed = ask_one(&server, choose("?", &["A", "B"], FAIL));
    assert_eq!(failed.outcome.unwrap_err().class, FailureClass::NoLogProbs);
    assert_eq!(scripted.log().n_received(), 0);
    let answered = ask_one(&server, choose("?", &["A", "B"], SAMPLE));
    assert!((scores(&answered.outcome).probabilities()[1] - 11.0 / 12.0).abs() < 1e-12);
    assert_eq!(scripted.log().n_received(), 10);
}

#[test]
fn log_probabilities_that_are_missing_once_are_asked_for_again() {
    let faults = Faults {
        share: 0.3,
        kinds: vec![Fault::NoLogProbs],
        ..Faults::none()
    };
    let scripted = ScriptedServer::builder(a_to_b)
        .faults(faults)
        .start()
        .unwrap();
    let server = openai(&scripted, quick());
    // What shows that there are any: the first call has no fault.
    let first = ask_one(&server, choose("first", &["A", "B"], FAIL));
    assert!(first.outcome.is_ok(), "another seed, please");
    let requests = (0..200).map(|i| choose(&i.to_string(), &["A", "B"], FAIL));
    let all = ask(&server, requests.collect()).unwrap();
    let n_again = all
        .iter()
        .filter(|answered| answered.n_attempts > 1)
        .count();
    assert!(n_again > 20, "{n_again}");
    for answered in &all {
        assert_eq!(
            scores(&answered.outcome).log_probs[0],
            OptionLogProb::Is(0.6_f64.ln())
        );
    }
}

#[test]
fn a_reply_that_ends_at_once_says_nothing_of_the_options() {
    let scripted = ScriptedServer::builder(|request| match request.top_log_probs() {
        // An empty completion, with log-probabilities of no token.
        Some(_) => Scripted::status(
            200,
            r#"{"choices":[{"message":{"content":""},"logprobs":{"content":[]},"finish_reason":"stop"}]}"#,
        ),
        None => Scripted::text(""),
    });
    let scripted = scripted.start().unwrap();
    let answered = ask_one(&openai(&scripted, quick()), choose("?", &["A", "B"], FAIL));
    let scores = scores(&answered.outcome);
    assert_eq!(scores.log_probs, [OptionLogProb::AtMost(0.0); 2]);
    assert_eq!(scores.mass(), 0.0);
}
