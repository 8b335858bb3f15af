//! Amplification as a supervisor.

use std::sync::Arc;

use trimtab_amplify::language::{AmplifiedSupervisor, AmplifiedSupervisorConfig, Decomposition};
use trimtab_core::chat::Request;
use trimtab_core::{AnswerSet, Question, SampleId, Seed, Supervisor, Verdict};
use trimtab_llm_testkit::amplify::value_of;
use trimtab_llm_testkit::scripted_model::{last_message, option_scores, reply};
use trimtab_llm_testkit::{AmplifyScript, ScriptedModel};

use super::world::problems;

/// Expressions as texts, each with the right answer and one off by one, in an order that the id decides.
fn questions(n: usize) -> Vec<(Question, usize)> {
    (problems(n, Seed(5)).into_iter().enumerate())
        .map(|(i, problem)| {
            let right = value_of(&problem.text).unwrap();
            let mut names = vec![right.to_string(), (right + 1).to_string()];
            if i % 2 == 1 {
                names.reverse();
            }
            let question = Question {
                id: problem.id,
                text: problem.text,
                answers: AnswerSet::new(&names).unwrap(),
                candidates: None,
            };
            (question, i % 2)
        })
        .collect()
}

/// A model that plays expert and assistant of the expression inside the question about a text.
fn model(script: AmplifyScript) -> Arc<ScriptedModel> {
    let inner = script.model("inner");
    Arc::new(ScriptedModel::new("m", move |request: &Request| {
        let mut request = request.clone();
        for message in &mut request.messages {
            // What stands in <text> is the question.
            let text = &message.content;
            if let Some((head, rest)) = text.split_once("<question>\nWhich of these answers")
                && let Some((_, rest)) = rest.split_once("<text>\n")
                && let Some((inside, rest)) = rest.split_once("\n</text>")
            {
                message.content = format!("{head}<question>\n{inside}{rest}");
            }
        }
        let mut outcome = None;
        let mut one = std::iter::once(request);
        trimtab_core::chat::ChatModel::ask(&inner, &mut one, &mut |_, answer| {
            outcome = Some(answer);
        })
        .unwrap();
        outcome.unwrap()
    }))
}

fn supervisor(depth: u32, model: &Arc<ScriptedModel>) -> AmplifiedSupervisor {
    let mut config = AmplifiedSupervisorConfig::new("weak");
    config.depth = depth;
    AmplifiedSupervisor {
        config,
        expert: Arc::clone(model) as _,
        assistant: Arc::clone(model) as _,
        seed: Seed(3),
    }
}

#[test]
fn it_chooses_what_its_tree_comes_to_and_counts_every_call() {
    let (questions, right): (Vec<Question>, Vec<usize>) = questions(40).into_iter().unzip();
    for decomposition in [Decomposition::AtOnce, Decomposition::InTurn] {
        for depth in [1, 3] {
            let model = model(AmplifyScript::with_errors(0.0));
            let mut supervisor = supervisor(depth, &model);
            supervisor.config.tree.decomposition = decomposition;
            let judged = supervisor.judge(&questions).unwrap();
            for ((judgement, question), right) in judged.iter().zip(&questions).zip(&right) {
                assert_eq!(judgement.id, question.id);
                let p = judgement.verdict.decided().unwrap().probabilities()[*right];
                assert!((p - 0.9 / 0.945).abs() < 1e-9, "{p}");
                assert!(judgement.cost.tokens > 0);
            }
            let calls: u64 = judged.iter().map(|judgement| judgement.cost.calls).sum();
            assert_eq!(calls, model.n_asked() as u64);
        }
    }
}

#[test]
fn failures_are_failed_judgements_and_are_paid_for() {
    let (questions, _): (Vec<Question>, Vec<usize>) = questions(200).into_iter().unzip();
    let model = model(AmplifyScript {
        refusals: 0.1,
        formless: 0.1,
        ..AmplifyScript::with_everything()
    });
    let judged = supervisor(2, &model).judge(&questions).unwrap();
    assert_eq!(judged.len(), questions.len());
    let count = |is: fn(&Verdict) -> bool| judged.iter().filter(|j| is(&j.verdict)).count();
    assert!(count(|v| matches!(v, Verdict::Refused { .. })) > 5);
    assert!(count(|v| matches!(v, Verdict::Unparsed { .. })) > 5);
    assert!(count(|v| matches!(v, Verdict::Decided(_))) > 100);
    let calls: u64 = judged.iter().map(|judgement| judgement.cost.calls).sum();
    assert_eq!(calls, model.n_asked() as u64);
}

#[test]
fn little_probability_on_the_letters_is_no_answer() {
    let (questions, _): (Vec<Question>, Vec<usize>) = questions(1).into_iter().unzip();
    let model = Arc::new(ScriptedModel::new("m", |request: &Request| {
        let choice = last_message(request).contains("letter alone");
        Ok(if choice {
            option_scores(&[0.004, 0.001])
        } else {
            reply("Answer: 1")
        })
    }));
    let mut supervisor = supervisor(1, &model);
    let judged = supervisor.judge(&questions).unwrap();
    assert!(matches!(judged[0].verdict, Verdict::Unparsed { .. }));
    supervisor.config.least_mass = 0.001;
    let judged = supervisor.judge(&questions).unwrap();
    let p = judged[0].verdict.decided().unwrap().probabilities()[0];
    assert!((p - 0.8).abs() < 1e-9);
}

#[test]
fn what_no_letter_could_answer_is_not_asked() {
    let names: Vec<String> = (0..27).map(|i| i.to_string()).collect();
    let question = Question {
        id: SampleId::new("many"),
        text: "Which?".into(),
        answers: AnswerSet::new(&names).unwrap(),
        candidates: None,
    };
    let (mut questions, _): (Vec<Question>, Vec<usize>) = questions(2).into_iter().unzip();
    questions.insert(1, question);
    let model = model(AmplifyScript::with_errors(0.0));
    let judged = supervisor(1, &model).judge(&questions).unwrap();
    assert!(judged[0].verdict.decided().is_some() && judged[2].verdict.decided().is_some());
    assert!(matches!(judged[1].verdict, Verdict::Error { .. }));
    assert_eq!(judged[1].cost.calls, 0);
}

#[test]
fn its_settings_are_those_of_a_line() {
    let config: AmplifiedSupervisorConfig = toml::from_str("of = \"weak\"\ndepth = 2").unwrap();
    assert_eq!((config.expert(), config.roles()), ("weak", vec!["weak"]));
    assert!(config.check().is_ok());
    let config: AmplifiedSupervisorConfig = toml::from_str(
        "of = \"weak\"\nexpert = \"strong\"\nwithout-log-probs = { sample = 8 }\ntree = { most-questions = 9 }",
    )
    .unwrap();
    assert_eq!(config.roles(), ["strong", "weak"]);
    for (text, wanted) in [
        ("of = \"weak\"\ndepth = 0", "depth is 0: 1 to 16"),
        (
            "of = \"weak\"\nleast-mass = 2.0",
            "least-mass is 2: from 0 to 1",
        ),
        (
            "of = \"weak\"\nwithout-log-probs = { sample = 0 }",
            "without-log-probs.sample is 0: at least 1",
        ),
    ] {
        let config: AmplifiedSupervisorConfig = toml::from_str(text).unwrap();
        assert_eq!(config.check().unwrap_err().to_string(), wanted);
    }
    assert!(toml::from_str::<AmplifiedSupervisorConfig>("depth = 2").is_err());
}
