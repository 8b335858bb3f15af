//! People who speak: what they are shown, what waits for them, and that waiting changes nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use trimtab_core::Seed;
use trimtab_debate::person::{Against, SpeechFault, Voice};
use trimtab_debate::protocol::{JudgeAsks, Turns};
use trimtab_debate::{
    DebateConfig, DebateQuestion, EventKind, Held, PEOPLE, Participant, Participants, PersonTurn,
    ProtocolName, Segment, SpeechConfig, Transcript, hold_with_people,
};
use trimtab_llm_testkit::ScriptedModel;

use crate::hall::{SEED, config, held, model, questions, speech};

/// Debates in which people have the roles that are called so.
fn with_people(
    config: &DebateConfig,
    model: &ScriptedModel,
    questions: &[Arc<DebateQuestion>],
    said: &dyn Fn(&PersonTurn) -> Option<String>,
) -> Held {
    let by = |role| Participant { role, model };
    let participants = Participants {
        label: "",
        debater: by(&config.debater),
        opponent: by(config.opponent()),
        critic: by("critic"),
        judge: by("judge"),
    };
    hold_with_people(config, participants, questions, SEED, said, &mut |_| {}).unwrap()
}

/// Says what follows from what is heard: how much of it, and by whom.
fn words(own: &str, n_heard: usize) -> String {
    format!("It was {own}, I say after {n_heard}: <quote>locked the gate at nine</quote>.")
}

fn person(turn: &PersonTurn) -> String {
    words(&turn.shown.own, turn.shown.heard.len())
}

/// A model that says the same in the same place.
fn like_a_person() -> ScriptedModel {
    model(
        "m",
        |asked| {
            let own = crate::hall::between(asked, "Your answer: ", "\n");
            speech(&words(
                own,
                asked.matches("I say after").count()
                    + asked.matches("Where does it say so?").count(),
            ))
        },
        |_| 0.5,
    )
}

/// What was said, by whom and when, without what it cost and who has which role.
fn spoken(transcripts: &[Transcript]) -> Vec<(String, u32, String, Vec<Segment>)> {
    let mut all = Vec::new();
    for transcript in transcripts {
        for event in &transcript.events {
            let segments = match &event.kind {
                EventKind::Speech(speech) => speech.segments.clone(),
                EventKind::Question { text, .. } => vec![Segment::Words(text.clone())],
                EventKind::NoSpeech { .. } => Vec::new(),
            };
            all.push((
                transcript.id.clone(),
                event.round,
                format!("{:?}", event.by),
                segments,
            ));
        }
    }
    all
}

fn of_people(protocol: ProtocolName, turns: Turns, asks: JudgeAsks) -> DebateConfig {
    DebateConfig {
        debater: PEOPLE.into(),
        critic: Some("critic".into()),
        turns,
        judge_asks: asks,
        ..config(protocol)
    }
}

const PROTOCOLS: [ProtocolName; 5] = [
    ProtocolName::Debate,
    ProtocolName::Consultancy,
    ProtocolName::DoubleConsultancy,
    ProtocolName::Propaganda,
    ProtocolName::Critique,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However little is said between two calls, the debates come out as if people had been there all the time, and as models that say
    /// the same would have held them.
    #[test]
    fn waiting_changes_nothing(which in 0..5_usize, sequential: bool, asks: bool, against_a_model: bool, seed: u64) {
        let turns = if sequential { Turns::Sequential } else { Turns::Simultaneous };
        let asks = if asks { JudgeAsks::EveryRound } else { JudgeAsks::Never };
        let mut people = of_people(PROTOCOLS[which], turns, asks);
        if against_a_model {
            people.opponent = Some("debater".into());
        }
        let (model, questions) = (like_a_person(), questions(2));
        let said: RefCell<BTreeMap<String, String>> = RefCell::default();
        let key = |turn: &PersonTurn| format!("{} {} {:?}", turn.transcript, turn.round, turn.side);
        let mut stream = Seed(seed).stream();
        let mut n_calls = 0;
        let transcripts = loop {
            let held = with_people(&people, &model, &questions, &|turn| said.borrow().get(&key(turn)).cloned());
            n_calls += 1;
            prop_assert!(n_calls < 200, "it never ends");
            if held.waiting.is_empty() {
                break held.transcripts;
            }
            let first = stream.below(held.waiting.len());
            for (i, turn) in held.waiting.iter().enumerate() {
                if i == first || stream.below(3) == 0 {
                    let before = said.borrow_mut().insert(key(turn), person(turn));
                    prop_assert_eq!(before, None, "asked twice");
                }
            }
        };
        let at_once = with_people(&people, &model, &questions, &|turn| Some(person(turn)));
        prop_assert_eq!(&transcripts, &at_once.transcripts);
        if !against_a_model {
            let models = DebateConfig { debater: "debater".into(), ..people.clone() };
            prop_assert_eq!(spoken(&transcripts), spoken(&held(&models, &model, &questions)));
        }
    }
}

#[test]
fn a_person_hears_what_a_debater_hears_and_reads_the_passage() {
    let (model, questions) = (like_a_person(), questions(1));
    let shown = |protocol, turns| {
        let turns_seen = RefCell::new(Vec::new());
        let people = of_people(protocol, turns, JudgeAsks::Never);
        with_people(&people, &model, &questions, &|turn| {
            turns_seen.borrow_mut().push(turn.clone());
            Some(person(turn))
        });
        turns_seen.into_inner()
    };
    let voices = |turn: &PersonTurn| -> Vec<Voice> {
        turn.shown.heard.iter().map(|heard| heard.voice).collect()
    };
    for turn in shown(ProtocolName::Debate, Turns::Simultaneous) {
        assert_eq!(turn.shown.heard.len(), 2 * (turn.round as usize - 1));
        assert_eq!(turn.shown.against, Against::Debater);
        assert!(turn.shown.passage.is_some());
        assert_ne!(turn.shown.own, turn.shown.other);
    }
    let in_turn = shown(ProtocolName::Debate, Turns::Sequential);
    // In each of two arms one side is first, and hears nothing.
    let n_first = in_turn
        .iter()
        .filter(|turn| turn.shown.heard.is_empty())
        .count();
    assert_eq!((in_turn.len(), n_first), (8, 2));
    for turn in shown(ProtocolName::DoubleConsultancy, Turns::Simultaneous) {
        assert_eq!(voices(&turn), vec![Voice::Oneself; turn.round as usize - 1]);
        assert_eq!(turn.shown.against, Against::Nobody);
    }
}

#[test]
fn rules_of_form_are_told_and_quotes_are_looked_up() {
    let (model, questions) = (like_a_person(), questions(1));
    let people = DebateConfig {
        speech: SpeechConfig {
            min_words: 3,
            max_words: 8,
            quotes: trimtab_debate::config::Quotes::Required,
            ..SpeechConfig::default()
        },
        ..of_people(ProtocolName::Debate, Turns::Simultaneous, JudgeAsks::Never)
    };
    let held = with_people(&people, &model, &questions, &|_| None);
    assert_eq!(held.waiting.len(), 2);
    assert!(held.transcripts[0].events.is_empty());
    let turn = &held.waiting[0];
    let passage = turn.shown.passage.as_ref().unwrap();
    let read = |text: &str| turn.rules.read(Some(&passage.text), text);
    assert_eq!(read(" \n<quote></quote>"), Err(SpeechFault::Empty));
    assert_eq!(
        read("At nine"),
        Err(SpeechFault::TooShort {
            n_words: 2,
            least: 3
        })
    );
    let long = "one two three four five six seven eight nine";
    assert_eq!(
        read(long),
        Err(SpeechFault::TooLong {
            n_words: 9,
            most: 8
        })
    );
    assert_eq!(read("It was at nine, surely"), Err(SpeechFault::NoQuote));
    let fine = "See: <quote>locked the gate at nine</quote>";
    assert!(read(fine).is_ok());
    // Words that are stored and cannot be said, as after another limit, are nothing that could be heard; they are counted.
    let held = with_people(&people, &model, &questions, &|_| Some(long.into()));
    assert!(matches!(
        held.transcripts[0].events[0].kind,
        EventKind::NoSpeech { .. }
    ));
    let held = with_people(&people, &model, &questions, &|_| Some(fine.into()));
    let EventKind::Speech(speech) = &held.transcripts[0].events[0].kind else {
        panic!("no speech");
    };
    assert_eq!(speech.scratchpad, None);
    assert_eq!(held.transcripts[0].players[0].as_deref(), Some(PEOPLE));
}

#[test]
fn where_people_cannot_take_part_the_setting_is_named() {
    let people = |protocol| of_people(protocol, Turns::Simultaneous, JudgeAsks::Never);
    assert_eq!(people(ProtocolName::Debate).check(), Ok(()));
    assert!(!people(ProtocolName::Debate).roles().contains(&PEOPLE));
    assert!(!people(ProtocolName::Naive).asks_people());
    let check = |config: DebateConfig, key: &str| assert_eq!(config.check().unwrap_err().key, key);
    check(people(ProtocolName::OpenDebate), "protocol");
    check(
        DebateConfig {
            critic: None,
            ..people(ProtocolName::Critique)
        },
        "critic",
    );
    check(
        DebateConfig {
            judges: vec![PEOPLE.into()],
            ..config(ProtocolName::Debate)
        },
        "judges",
    );
    check(
        DebateConfig {
            branching: Some(trimtab_debate::config::Branching {
                n: 2,
                at: trimtab_debate::config::BranchAt::EveryTurn,
            }),
            ..people(ProtocolName::Debate)
        },
        "branching",
    );
}
