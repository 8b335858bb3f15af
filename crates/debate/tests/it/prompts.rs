//! Every prompt as it is sent.

use trimtab_core::chat::{Message, Role};
use trimtab_debate::protocol::JudgeAsks;
use trimtab_debate::{DebateConfig, Prompts, ProtocolName};

use crate::hall::{config, held, judged, model, overheard, questions, speech};

fn shown(messages: &[Message]) -> String {
    let parts: Vec<String> = (messages.iter())
        .map(|message| {
            let role = match message.role {
                Role::System => "SYSTEM",
                Role::User => "USER",
                Role::Assistant => "ASSISTANT",
            };
            format!("── {role}\n{}", message.content)
        })
        .collect();
    parts.join("\n")
}

/// All that is asked in one debate under `config`.
fn asked(config: &DebateConfig) -> String {
    let (speaker, heard) = overheard(model(
        "m",
        |_| speech("It was so: <quote>the gardener locked the gate at nine</quote>."),
        |_| 0.6,
    ));
    let questions = questions(1);
    let mut transcripts = held(config, &speaker, &questions);
    transcripts.truncate(1);
    judged(config, &speaker, &transcripts, &questions);
    let log = heard.lock().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let parts: Vec<String> = (log.iter())
        .map(|(messages, _)| shown(messages))
        .filter(|text| seen.insert(text.clone()))
        .collect();
    parts.join("\n\n══════════\n")
}

#[test]
fn every_prompt_parses() {
    assert_eq!(Prompts::embedded().all().len(), 31);
}

#[test]
fn an_interactive_debate() {
    let config = DebateConfig {
        judge_asks: JudgeAsks::EveryRound,
        ..config(ProtocolName::Debate)
    };
    insta::assert_snapshot!(asked(&config));
}

#[test]
fn consultancy() {
    insta::assert_snapshot!(asked(&config(ProtocolName::Consultancy)));
}

#[test]
fn open_debate() {
    insta::assert_snapshot!(asked(&DebateConfig {
        n_rounds: 1,
        ..config(ProtocolName::OpenDebate)
    }));
}

#[test]
fn the_rest() {
    let mut all = String::new();
    for name in [
        ProtocolName::Naive,
        ProtocolName::Expert,
        ProtocolName::DoubleConsultancy,
        ProtocolName::OpenConsultancy,
        ProtocolName::Critique,
    ] {
        let mut config = DebateConfig {
            n_rounds: 1,
            ..config(name)
        };
        config.judging.reads = trimtab_debate::config::JudgeReading::Percent;
        let asked = asked(&config);
        all.extend(["════ ", name.name(), " ════\n", &asked, "\n\n"]);
    }
    insta::assert_snapshot!(all);
}
