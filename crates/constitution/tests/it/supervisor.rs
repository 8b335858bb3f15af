//! A constitutional judge in the place of a weak supervisor.

use std::sync::Arc;

use trimtab_constitution::{Constitution, ConstitutionalJudge, JudgeConfig};
use trimtab_core::chat::Reads;
use trimtab_core::chat::{FailureClass, Finish, Outcome, Request};
use trimtab_core::{
    AnswerSet, Cost, Provenance, Question, SampleId, Supervisor, TrainingLabels, Verdict,
};

use crate::scripted::{SEED, Scripted, USAGE, ends, fails, log_probs, says, shown};

fn question(id: &str, candidates: &[&str]) -> Question {
    let candidates: Vec<Box<str>> = candidates.iter().map(|&text| text.into()).collect();
    Question {
        id: SampleId::new(id),
        text: "What now?".into(),
        answers: AnswerSet::new(&["A", "B"]).unwrap(),
        candidates: (!candidates.is_empty()).then(|| candidates.into()),
    }
}

fn judge(
    config: JudgeConfig,
    script: impl Fn(&Request) -> Outcome + Send + Sync + 'static,
) -> ConstitutionalJudge {
    let constitution = Constitution::embedded().clone();
    ConstitutionalJudge::new(config, constitution, Arc::new(Scripted(script)), SEED)
}

#[test]
fn it_teaches_which_reply_is_better() {
    let kind = judge(JudgeConfig::default(), |request| {
        if shown(request)[0] == "kind" {
            log_probs(-0.1, -2.4)
        } else {
            log_probs(-2.4, -0.1)
        }
    });
    let questions = [
        question("1", &["rude", "kind"]),
        question("2", &["kind", "rude"]),
        question("3", &["kind", "kind"]),
    ];
    let judgements = kind.judge(&questions).unwrap();
    let first: Vec<f64> = (judgements.iter())
        .map(|judgement| judgement.verdict.decided().unwrap().probabilities()[0])
        .collect();
    assert!(
        first[0] < 0.1 && first[1] > 0.9 && first[2] == 0.5,
        "{first:?}"
    );
    let cost = Cost {
        calls: 2,
        judge_calls: 0,
        tokens: 2 * USAGE.total(),
        cpu_secs: 0.0,
    };
    assert_eq!(
        (judgements[0].cost, judgements[2].cost),
        (cost, Cost::default())
    );
    assert_eq!(kind.name(), "script under default");
    assert_eq!(kind.provenance(), Provenance::Judged);
    TrainingLabels::from_judgements(&questions, &judgements, kind.provenance()).unwrap();
}

#[test]
fn what_is_not_read_is_a_verdict_of_its_own() {
    let text = JudgeConfig {
        reads: Reads::Text,
        ..JudgeConfig::default()
    };
    let verdict = |outcome: Outcome| {
        let judge = judge(text.clone(), move |_| outcome.clone());
        judge.judge(&[question("1", &["a", "b"])]).unwrap()[0]
            .verdict
            .clone()
    };
    assert_eq!(
        verdict(says("Hm.")),
        Verdict::Unparsed {
            reply: "Hm.".into()
        }
    );
    assert_eq!(
        verdict(ends("No.", Finish::Refused)),
        Verdict::Refused {
            reply: "No.".into()
        }
    );
    assert_eq!(
        verdict(fails(FailureClass::Rejected)),
        Verdict::Error {
            message: "Rejected".into()
        }
    );
    let mute = judge(JudgeConfig::default(), |_| log_probs(-20.0, -20.0));
    assert!(matches!(
        mute.judge(&[question("1", &["a", "b"])]).unwrap()[0].verdict,
        Verdict::Unparsed { .. }
    ));
}

#[test]
fn questions_that_are_no_pairs_are_refused() {
    let judge = judge(JudgeConfig::default(), |_| panic!("asked"));
    for candidates in [&[][..], &["a", "b", "c"]] {
        let error = judge.judge(&[question("1", candidates)]).unwrap_err();
        assert_eq!(error.to_string(), "script under default cannot judge");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(&format!("{} candidates", candidates.len())));
    }
}
