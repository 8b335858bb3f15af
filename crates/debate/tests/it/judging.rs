//! What judges say, in whichever order they are shown answers.

use trimtab_core::Verdict;
use trimtab_core::chat::{Ask, Fallback, Request};
use trimtab_debate::config::{Beliefs, JudgeReading, Orders, Reasons};
use trimtab_debate::{DebateConfig, JudgeRecord, Order, ProtocolName, Transcript};
use trimtab_llm_testkit::ScriptedModel;
use trimtab_llm_testkit::scripted_model::{option_scores, reply};

use crate::hall::{config, held, judged, model, questions, speech};

/// Log-odds 1 for "at nine", and 0.5 for whatever is shown as A.
fn biased(asked: &str) -> f64 {
    let sign = if asked.contains("Answer A: at nine") {
        1.0
    } else {
        -1.0
    };
    1.0 / (1.0 + f64::exp(-(sign + 0.5)))
}

fn probabilities(record: &JudgeRecord) -> Option<Vec<f64>> {
    Some(record.verdict.decided()?.probabilities().to_vec())
}

#[test]
fn probabilities_are_of_the_data_sets_answers_whatever_is_shown() {
    let speaker = model("m", |_| speech("It was so."), biased);
    let config = config(ProtocolName::Debate);
    let questions = questions(6);
    let transcripts = held(&config, &speaker, &questions);
    let records = judged(&config, &speaker, &transcripts, &questions);
    assert_eq!(records.len(), 12);
    for record in &records {
        let p = probabilities(record).unwrap()[0];
        let bias = if record.shown == Order::AsListed {
            0.5
        } else {
            -0.5
        };
        let expected = 1.0 / (1.0 + f64::exp(-(1.0 + bias)));
        assert!((p - expected).abs() < 1e-9, "{record:?}");
    }
}

#[test]
fn beliefs_are_said_after_every_round_and_the_last_is_the_verdict() {
    // The more has been said, the surer it is.
    let speaker = model(
        "m",
        |_| speech("It was so."),
        |asked| 0.5 + 0.1 * asked.matches("<debater_a round").count() as f64,
    );
    let mut config = config(ProtocolName::Debate);
    config.judging.beliefs = Beliefs::EveryRound;
    config.judging.orders = Orders::Random;
    let questions = questions(3);
    let transcripts = held(&config, &speaker, &questions);
    let records = judged(&config, &speaker, &transcripts, &questions);
    assert_eq!(records.len(), 3);
    for record in records {
        let rounds: Vec<u32> = record.beliefs.iter().map(|belief| belief.rounds).collect();
        assert_eq!(rounds, [0, 1, 2]);
        let at_a = record.shown.answer_at(trimtab_debate::Side::A).0;
        let of_a: Vec<f64> = (record.beliefs.iter())
            .map(|belief| belief.verdict.decided().unwrap().probabilities()[at_a])
            .collect();
        for (got, expected) in of_a.iter().zip([0.5, 0.6, 0.7]) {
            assert!((got - expected).abs() < 1e-9, "{of_a:?}");
        }
        assert_eq!(record.beliefs.last().unwrap().verdict, record.verdict);
    }
}

fn words(says: impl Fn(&Request) -> String + Send + Sync + 'static) -> ScriptedModel {
    ScriptedModel::new("words", move |request: &Request| match request.ask {
        Ask::Options(_) => Ok(option_scores(&[0.001, 0.001])),
        Ask::Reply(_) => Ok(reply(says(request))),
    })
}

fn verdicts(config: &DebateConfig, judge: &ScriptedModel) -> Vec<Verdict> {
    let questions = questions(1);
    let transcripts: Vec<Transcript> = held(config, judge, &questions);
    (judged(config, judge, &transcripts, &questions).into_iter())
        .map(|record| record.verdict)
        .collect()
}

#[test]
fn answers_in_words_are_read_whole_or_not_at_all() {
    let mut by_text = config(ProtocolName::Naive);
    by_text.judging.reads = JudgeReading::Text;
    let decided = verdicts(&by_text, &words(|_| "Answer: B".into()));
    assert!(decided.iter().all(|verdict| verdict.decided().is_some()));
    // Neither, or both: counted, never guessed.
    for says in ["I cannot tell", "A and B are both right", ""] {
        for verdict in verdicts(&by_text, &words(move |_| says.into())) {
            assert!(
                matches!(verdict, Verdict::Unparsed { .. }),
                "{says}: {verdict:?}"
            );
        }
    }
    let mut by_percent = config(ProtocolName::Naive);
    by_percent.judging.reads = JudgeReading::Percent;
    for (says, expected) in [
        ("70 %", Some(0.7)),
        ("70%", Some(0.7)),
        ("Probability: 7.5 %.", Some(0.075)),
        ("0", Some(0.0)),
        ("170 %", None),
        ("90 % sure that it is B", None),
        ("between 20 % and 30 %", None),
        ("-5 %", None),
        ("NaN", None),
        ("inf", None),
    ] {
        for (verdict, order) in verdicts(&by_percent, &words(move |_| says.into()))
            .iter()
            .zip(Order::BOTH)
        {
            let p = verdict
                .decided()
                .map(|d| order.arrange([d.probabilities()[0], d.probabilities()[1]])[0]);
            match (p, expected) {
                (Some(p), Some(expected)) => assert!((p - expected).abs() < 1e-9, "{says}: {p}"),
                (None, None) => assert!(matches!(verdict, Verdict::Unparsed { .. })),
                other => panic!("{says}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_judge_whose_mind_is_elsewhere_has_not_answered() {
    for verdict in verdicts(&config(ProtocolName::Naive), &words(|_| String::new())) {
        let Verdict::Unparsed { reply } = verdict else {
            panic!("{verdict:?}");
        };
        assert!(reply.contains("0.0020"), "{reply}");
    }
}

#[test]
fn reasons_come_first_and_are_kept() {
    let mut config = config(ProtocolName::Naive);
    config.judging.reads = JudgeReading::Text;
    config.judging.reasons = Reasons::First;
    let judge = words(|request| {
        if request.messages.len() == 1 {
            "Because of the gate.".into()
        } else {
            "A".into()
        }
    });
    let questions = questions(1);
    let transcripts = held(&config, &judge, &questions);
    for record in judged(&config, &judge, &transcripts, &questions) {
        assert_eq!(record.reasons.as_deref(), Some("Because of the gate."));
        assert_eq!(record.usage.output_tokens, 5);
        assert!(record.verdict.decided().is_some());
    }
    // Who gives none is not asked for an answer.
    let silent = words(|request| {
        assert_eq!(request.messages.len(), 1);
        String::new()
    });
    for record in judged(&config, &silent, &transcripts, &questions) {
        assert!(matches!(record.verdict, Verdict::Unparsed { .. }));
    }
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let mut bad = DebateConfig::default();
    bad.judging.without_log_probs = Fallback::Sample(0);
    assert_eq!(
        bad.check().unwrap_err().key,
        "judging.without-log-probs.sample"
    );
    let bad = DebateConfig {
        n_rounds: 0,
        ..DebateConfig::default()
    };
    assert_eq!(bad.check().unwrap_err().key, "n-rounds");
    let mut bad = DebateConfig::default();
    bad.speech.min_words = 101;
    assert_eq!(bad.check().unwrap_err().key, "speech.min-words");
    let bad = DebateConfig {
        judges: vec!["a".into(), "a".into()],
        ..DebateConfig::default()
    };
    assert_eq!(bad.check().unwrap_err().key, "judges");
    let mut bad = DebateConfig {
        judges: vec!["random".into()],
        ..DebateConfig::default()
    };
    assert_eq!(bad.check(), Ok(()));
    bad.speech.best_of = 2;
    assert_eq!(bad.check().unwrap_err().key, "judges");
}
