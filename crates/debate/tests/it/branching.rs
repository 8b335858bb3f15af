//! Debates that branch, and the pairs that debaters can learn from.

use std::collections::BTreeSet;

use trimtab_core::chat::{Ask, Request};
use trimtab_debate::config::{BranchAt, Branching};
use trimtab_debate::protocol::Turns;
use trimtab_debate::{DebateConfig, ProtocolName, preferences};
use trimtab_llm_testkit::ScriptedModel;
use trimtab_llm_testkit::scripted_model::{option_scores, reply};

use crate::hall::{between, config, held, judged, questions, with_questions};

/// Speaks with strength 0 to 9, drawn by the request's seed; the judge believes the stronger side.
fn strengths() -> ScriptedModel {
    ScriptedModel::new("m", |request: &Request| {
        let last = request.messages.last().map_or("", |m| &m.content);
        match &request.ask {
            Ask::Options(_) => {
                let strength = |tag: &str| -> f64 {
                    (last.split(&format!("<{tag} round")).skip(1))
                        .map(|said| {
                            between(said, "strength ", ".")
                                .parse::<f64>()
                                .unwrap_or(0.0)
                        })
                        .sum()
                };
                let odds = 0.3 * (strength("debater_a") - strength("debater_b"));
                let p = 1.0 / (1.0 + (-odds).exp());
                Ok(option_scores(&[0.9 * p, 0.9 * (1.0 - p)]))
            }
            Ask::Reply(_) => {
                let strength = request.seed.stream().below(10);
                Ok(reply(format!(
                    "<thinking>t</thinking><argument>A case of strength {strength}.</argument>"
                )))
            }
        }
    })
}

fn branching(at: BranchAt) -> DebateConfig {
    DebateConfig {
        branching: Some(Branching { n: 2, at }),
        n_rounds: 2,
        ..config(ProtocolName::Debate)
    }
}

#[test]
fn as_many_debates_as_the_paper_has() {
    let n = |config: &DebateConfig| {
        let transcripts = held(config, &strengths(), &questions(1));
        let ids: BTreeSet<&String> = transcripts.iter().map(|t| &t.id).collect();
        assert_eq!(ids.len(), transcripts.len());
        for transcript in &transcripts {
            assert_eq!(transcript.speeches().count(), 4);
        }
        transcripts.len()
    };
    assert_eq!(n(&branching(BranchAt::EveryTurn)), 16);
    assert_eq!(n(&branching(BranchAt::OneSide)), 4);
    assert_eq!(n(&branching(BranchAt::OneTurn)), 2);
    // In turn, either side is first once.
    let sequential = DebateConfig {
        turns: Turns::Sequential,
        ..branching(BranchAt::EveryTurn)
    };
    assert_eq!(n(&sequential), 32);
}

#[test]
fn speeches_are_worth_what_the_debates_below_them_are() {
    let config = branching(BranchAt::EveryTurn);
    let questions = questions(3);
    let model = strengths();
    let transcripts = held(&config, &model, &questions);
    let records = judged(&config, &model, &transcripts, &questions);
    let rows = with_questions(&transcripts, &questions);
    let made = preferences(&config, &rows, &records.iter().collect::<Vec<_>>());
    // A tree of 16 leaves has 1 + 2 + 4 + 8 turns; where both speeches are the same there is one, and no pair.
    let n = made.pairs.len() + made.n_ties;
    assert!((30..=45).contains(&n), "{n}");
    let strength = |text: &str| between(text, "strength ", ".").parse::<f64>().unwrap();
    for pair in &made.pairs {
        // A strength more is worth as much below as at the leaf, on average over what the other side says.
        assert!(pair.p_chosen > 0.5 && pair.p_chosen < 1.0);
        assert!(pair.chosen.starts_with("<thinking>t</thinking><argument>"));
        assert_eq!(pair.prompt.len(), 2);
        assert!(pair.prompt[1].content.contains("Your answer: "));
    }
    let last: Vec<_> = (made.pairs.iter())
        .filter(|pair| strength(&pair.chosen) > strength(&pair.rejected))
        .collect();
    // At the last turn of all nothing else differs, so that the stronger is always chosen there.
    assert!(last.len() as f64 > 0.8 * made.pairs.len() as f64);
}

#[test]
fn scored_candidates_are_pairs_too() {
    let mut config = config(ProtocolName::Debate);
    config.speech.best_of = 4;
    config.n_rounds = 1;
    let questions = questions(5);
    let model = strengths();
    let transcripts = held(&config, &model, &questions);
    let records = judged(&config, &model, &transcripts, &questions);
    let rows = with_questions(&transcripts, &questions);
    let made = preferences(&config, &rows, &records.iter().collect::<Vec<_>>());
    assert_eq!(made.pairs.len() + made.n_ties, 10);
    let strength = |text: &str| between(text, "strength ", ".").parse::<f64>().unwrap();
    for pair in &made.pairs {
        assert!(strength(&pair.chosen) > strength(&pair.rejected));
    }
}
