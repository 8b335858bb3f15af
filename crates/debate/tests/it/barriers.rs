//! What is asked cannot depend on which answer is right: a question with its answers exchanged is asked about in mirror image.

use std::sync::Arc;

use trimtab_debate::{DebateQuestion, Order, ProtocolName, Transcript};

use crate::hall::{config, held, judged, model, overheard, questions, speech};

/// The same question with its answers listed the other way round: as a data set would have it that lists the right one second.
fn exchanged(question: &DebateQuestion) -> Arc<DebateQuestion> {
    let [first, second] = question.answers.clone();
    Arc::new(DebateQuestion {
        answers: [second, first],
        ..question.clone()
    })
}

#[test]
fn swapping_what_is_shown_is_the_same_as_swapping_what_is_listed() {
    let (speaker, heard) = overheard(model(
        "m",
        |asked| {
            let own = crate::hall::between(asked, "Your answer: ", "\n");
            speech(&format!("It was {own}."))
        },
        |_| 0.5,
    ));
    let config = config(ProtocolName::Debate);
    let listed = questions(4);
    let transcripts = held(&config, &speaker, &listed);
    // The same debates, of questions that list their answers the other way round.
    let mirrored: Vec<Transcript> = (transcripts.iter())
        .map(|transcript| Transcript {
            arm: trimtab_debate::Arm {
                order: transcript.arm.order.swapped(),
                ..transcript.arm
            },
            ..transcript.clone()
        })
        .collect();
    let other: Vec<_> = listed.iter().map(|question| exchanged(question)).collect();
    let asked = |transcripts: &[Transcript], questions: &[Arc<DebateQuestion>]| {
        heard.lock().unwrap().clear();
        let records = judged(&config, &speaker, transcripts, questions);
        let log = heard.lock().unwrap();
        let mut asked: Vec<(String, Order, String)> = (records.iter().zip(log.iter()))
            .map(|(record, (messages, _))| {
                let text = messages.last().unwrap().content.clone();
                (record.transcript.clone(), record.shown, text)
            })
            .collect();
        asked.sort();
        asked
    };
    let straight = asked(&transcripts, &listed);
    let mut mirror: Vec<_> = (asked(&mirrored, &other).into_iter())
        .map(|(id, shown, text)| (id, shown.swapped(), text))
        .collect();
    mirror.sort();
    assert_eq!(straight, mirror);
}
