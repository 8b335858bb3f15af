//! Best of n, and critique and refinement.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use trimtab_core::chat::{Ask, Request};
use trimtab_debate::{DebateConfig, ProtocolName};
use trimtab_llm_testkit::ScriptedModel;
use trimtab_llm_testkit::scripted_model::{option_scores, reply};

use crate::hall::{between, config, held, questions};

/// Speaks one of some strengths; the judge believes the stronger side, and A by `bias` more.
fn strengths(bias: f64) -> ScriptedModel {
    let n = AtomicUsize::new(0);
    ScriptedModel::new("m", move |request: &Request| {
        let last = request.messages.last().map_or("", |m| &m.content);
        match &request.ask {
            Ask::Options(_) => {
                let strength = |tag: &str| -> f64 {
                    let said = between(last, &format!("<{tag} round=\"1\">\n"), "\n</");
                    between(said, "strength ", ".").parse().unwrap_or(0.0)
                };
                let odds = strength("debater_a") - strength("debater_b") + bias;
                let p = 1.0 / (1.0 + (-odds).exp());
                Ok(option_scores(&[0.9 * p, 0.9 * (1.0 - p)]))
            }
            Ask::Reply(_) => {
                let strength = n.fetch_add(1, Ordering::Relaxed) % 5;
                Ok(reply(format!(
                    "<argument>A case of strength {strength}.</argument>"
                )))
            }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_strongest_candidate_is_spoken_on_either_side_whatever_the_judges_bias(bias in -6.0..6.0_f64) {
        let config = DebateConfig { n_rounds: 1, ..config(ProtocolName::Debate) };
        let mut best_of = config;
        best_of.speech.best_of = 5;
        for transcript in held(&best_of, &strengths(bias), &questions(4)) {
            for (_, speech) in transcript.speeches() {
                prop_assert_eq!(speech.plain(), "A case of strength 4.");
                prop_assert_eq!(speech.candidates.len(), 5);
                prop_assert!(speech.candidates.iter().all(|c| c.score.is_some()));
            }
        }
    }
}

#[test]
fn the_most_helpful_critique_is_followed() {
    let speaker = ScriptedModel::new("m", |request: &Request| {
        let last = request.messages.last().map_or("", |m| &m.content);
        if let Ask::Options(_) = request.ask {
            let p = if last.contains("Name the hour") {
                0.9
            } else {
                0.2
            };
            return Ok(option_scores(&[0.9 * p, 0.9 * (1.0 - p)]));
        }
        Ok(reply(if last.contains("Name the two changes") {
            ["Be louder.", "Name the hour.", "Be shorter."][request.sample_idx as usize]
        } else if last.contains("Make it better along these lines") {
            if last.contains("Name the hour") {
                "<argument>It was nine.</argument>"
            } else {
                "<argument>It was LOUD.</argument>"
            }
        } else {
            "<argument>It was so.</argument>"
        }))
    });
    let mut refined = config(ProtocolName::Propaganda);
    refined.speech.n_critiques = 3;
    for transcript in held(&refined, &speaker, &questions(2)) {
        for (_, speech) in transcript.speeches() {
            assert_eq!(speech.plain(), "It was nine.");
        }
    }
}

#[test]
fn a_refinement_that_talks_of_its_advice_is_not_spoken() {
    let speaker = ScriptedModel::replies("m", |request: &Request| {
        let last = request.messages.last().map_or("", |m| &m.content);
        if last.contains("Make it better along these lines") {
            "<argument>As the critique says, it was nine.</argument>".into()
        } else if last.contains("Name the two changes") {
            "Name the hour.".into()
        } else {
            "<argument>It was so.</argument>".into()
        }
    });
    let mut refined = config(ProtocolName::Propaganda);
    refined.speech.n_critiques = 1;
    for transcript in held(&refined, &speaker, &questions(1)) {
        for (_, speech) in transcript.speeches() {
            assert_eq!(speech.plain(), "It was so.");
        }
    }
}
