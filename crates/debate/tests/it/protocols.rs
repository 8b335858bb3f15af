//! Who speaks when, and who hears whom.

use trimtab_core::{AnswerIdx, Seed};
use trimtab_debate::protocol::{JudgeAsks, Turns};
use trimtab_debate::transcript::{Speaker, Speakers};
use trimtab_debate::{DebateConfig, Order, ProtocolName, Side, Transcript};

use crate::hall::{config, held, judged, model, overheard, questions, speech};

const ALL: [ProtocolName; 9] = [
    ProtocolName::Naive,
    ProtocolName::Expert,
    ProtocolName::Consultancy,
    ProtocolName::DoubleConsultancy,
    ProtocolName::OpenConsultancy,
    ProtocolName::Debate,
    ProtocolName::OpenDebate,
    ProtocolName::Propaganda,
    ProtocolName::Critique,
];

#[test]
fn every_protocol_says_what_it_is_in_a_line() {
    let mut lines = String::new();
    for name in ALL {
        let protocol = config(name).as_protocol();
        lines.extend([name.name(), ": ", &protocol.summary(), "\n"]);
    }
    let interactive = DebateConfig {
        turns: Turns::Sequential,
        judge_asks: JudgeAsks::EveryRound,
        n_rounds: 3,
        ..DebateConfig::default()
    };
    lines.extend(["interactive: ", &interactive.as_protocol().summary(), "\n"]);
    insta::assert_snapshot!(lines, @r"
    naive: the judge answers alone
    expert: the judge reads the passage
    consultancy: a consultant argues for a drawn answer, 2 rounds
    double-consultancy: two consultants argue, neither hearing the other, 2 rounds
    open-consultancy: a consultant argues for the answer it chooses, 2 rounds
    debate: two debaters argue for drawn answers, 2 rounds, at once
    open-debate: a debater argues for the answer it chooses, another against it, 2 rounds, at once
    propaganda: a consultant argues for a drawn answer, 1 round
    critique: a consultant argues for a drawn answer, 2 rounds, then a critic
    interactive: two debaters argue for drawn answers, 3 rounds, in turn, the judge asks
    ");
}

/// Who spoke, in order: `1a 1b 2j 2a 2b`.
fn order(transcript: &Transcript) -> String {
    let parts: Vec<String> = (transcript.events.iter())
        .map(|event| {
            let by = match event.by {
                Speaker::Side(Side::A) => "a",
                Speaker::Side(Side::B) => "b",
                Speaker::Judge => "j",
                Speaker::Critic => "c",
            };
            format!("{}{by}", event.round)
        })
        .collect();
    parts.join(" ")
}

#[test]
fn turns_come_as_the_protocol_says() {
    let speaker = model("m", |_| speech("I say so, as is said."), |_| 0.7);
    let check = |config: &DebateConfig, expected: &[&str]| {
        let transcripts = held(config, &speaker, &questions(1));
        let got: Vec<String> = transcripts.iter().map(order).collect();
        let mut sorted = got.clone();
        sorted.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "{:?}", config.protocol);
    };
    check(&config(ProtocolName::Naive), &[""]);
    check(&config(ProtocolName::Debate), &["1a 1b 2a 2b"]);
    check(&config(ProtocolName::DoubleConsultancy), &["1a 1b 2a 2b"]);
    check(
        &DebateConfig {
            turns: Turns::Sequential,
            judge_asks: JudgeAsks::EveryRound,
            ..config(ProtocolName::Debate)
        },
        &["1a 1b 2j 2a 2b", "1b 1a 2j 2b 2a"],
    );
    for one in [
        ProtocolName::Consultancy,
        ProtocolName::Propaganda,
        ProtocolName::Critique,
    ] {
        let transcripts = held(&config(one), &speaker, &questions(3));
        assert_eq!(
            transcripts.len(),
            6,
            "either answer is argued for, of every question"
        );
        for answer in [0, 1] {
            let argued = transcripts.iter().filter(|transcript| {
                let Speakers::One(side) = transcript.arm.speakers else {
                    return false;
                };
                transcript.arm.order.answer_at(side) == AnswerIdx(answer)
            });
            assert_eq!(argued.count(), 3, "{one:?}");
        }
        let critics = transcripts
            .iter()
            .filter(|t| order(t).ends_with('c'))
            .count();
        assert_eq!(critics, if one == ProtocolName::Critique { 6 } else { 0 });
    }
}

#[test]
fn who_argues_openly_argues_for_what_it_answers() {
    // Believes the answer "before dawn", wherever it stands.
    let speaker = model(
        "m",
        |_| speech("It was so."),
        |asked| {
            if asked.contains("Answer A: before dawn") {
                0.9
            } else {
                0.1
            }
        },
    );
    for name in [ProtocolName::OpenConsultancy, ProtocolName::OpenDebate] {
        for transcript in held(&config(name), &speaker, &questions(8)) {
            let choice = transcript.choice.unwrap();
            assert_eq!(transcript.answers[choice.side.index()], "before dawn");
            assert!((choice.probability - 0.9).abs() < 1e-9);
            if name == ProtocolName::OpenConsultancy {
                assert_eq!(transcript.arm.speakers, Speakers::One(choice.side));
            }
        }
    }
}

#[test]
fn an_open_speaker_that_will_not_choose_argues_for_nothing() {
    let silent = model("m", |_| speech("It was so."), |_| f64::NAN);
    let transcripts = held(&config(ProtocolName::OpenDebate), &silent, &questions(2));
    for transcript in &transcripts {
        assert_eq!(transcript.arm.speakers, Speakers::Nobody);
        assert_eq!(transcript.choice, None);
        assert_eq!(transcript.speeches().count(), 0);
        assert_eq!(transcript.events.len(), 1);
    }
}

#[test]
fn both_orders_are_drawn_and_nothing_depends_on_which_answer_is_right() {
    let arms = |name: ProtocolName| {
        (0..200)
            .flat_map(|i| config(name).as_protocol().arms(Seed(i)))
            .collect::<Vec<_>>()
    };
    for name in [
        ProtocolName::Debate,
        ProtocolName::Consultancy,
        ProtocolName::OpenDebate,
    ] {
        let all = arms(name);
        let swapped = all.iter().filter(|arm| arm.order == Order::Swapped).count();
        let share = swapped as f64 / all.len() as f64;
        assert!((0.4..0.6).contains(&share), "{name:?}: {share}");
    }
}

#[test]
fn debaters_hear_what_they_may_and_think_alone() {
    let (speaker, heard) = overheard(model(
        "m",
        |asked| {
            // Each says whom it argues for.
            let own = crate::hall::between(asked, "Your answer: ", "\n");
            speech(&format!("I hold that it was {own}, and nothing else."))
        },
        |_| 0.5,
    ));
    let ask = |config: &DebateConfig| -> Vec<String> {
        heard.lock().unwrap().clear();
        held(config, &speaker, &questions(1));
        let log = heard.lock().unwrap();
        (log.iter())
            .map(|(messages, _)| messages.last().unwrap().content.clone())
            .filter(|text| text.contains("Your answer: "))
            .collect()
    };
    let hears_other = |text: &str| {
        let other = crate::hall::between(text, "The other answer: ", "\n");
        text.contains(&format!("I hold that it was {other}"))
    };
    let hears_itself = |text: &str| {
        let own = crate::hall::between(text, "Your answer: ", "\n");
        text.contains(&format!("I hold that it was {own}"))
    };

    let simultaneous = ask(&config(ProtocolName::Debate));
    let got: Vec<bool> = simultaneous.iter().map(|t| hears_other(t)).collect();
    assert_eq!(got, [false, false, true, true]);

    let sequential = ask(&DebateConfig {
        turns: Turns::Sequential,
        ..config(ProtocolName::Debate)
    });
    let opened = sequential.iter().filter(|t| !hears_other(t)).count();
    assert_eq!(
        opened, 2,
        "only who opens has heard nothing, once with either side first"
    );

    let apart = ask(&config(ProtocolName::DoubleConsultancy));
    assert!(apart.iter().all(|t| !hears_other(t)));
    assert_eq!(apart.iter().filter(|t| hears_itself(t)).count(), 2);

    // Everybody reads its own thoughts of earlier rounds, and nobody else's.
    for text in simultaneous.iter().chain(&apart) {
        let n_thoughts = text.matches("secret plan").count();
        let later = hears_itself(text);
        assert_eq!(n_thoughts, usize::from(later), "{text}");
    }
}

#[test]
fn judges_read_no_thoughts_and_no_passage() {
    let (speaker, heard) = overheard(model("m", |_| speech("It was so."), |_| 0.5));
    for name in ALL {
        let config = config(name);
        let questions = questions(2);
        let transcripts = held(&config, &speaker, &questions);
        heard.lock().unwrap().clear();
        judged(&config, &speaker, &transcripts, &questions);
        for (messages, _) in heard.lock().unwrap().iter() {
            for message in messages {
                assert!(!message.content.contains("secret plan"), "{name:?}");
                let reads = message.content.contains("Nobody saw the fox");
                assert_eq!(reads, name == ProtocolName::Expert, "{name:?}");
            }
        }
    }
}
