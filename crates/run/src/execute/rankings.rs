//! Rankings of more than two replies, as simulated annotators make them, and the pairs that they come to.
//!
//! Paper: Ouyang et al. 2022, arXiv:2203.02155, section 3.5: K replies to a prompt are ranked, and every two of them are a pair.

use trimtab_constitution::SampledPair;
use trimtab_core::chat::{Message, Said};
use trimtab_core::{PreferencePair, Seed};
use trimtab_reward::{Annotator, UnrankedReplies};

use super::RunError;
use super::rlhf::gold_of;
use crate::rlhf::LeftOut;

/// Replies to one prompt that are ranked together.
pub(super) struct Unranked {
    id: String,
    prompt: Vec<Message>,
    replies: Vec<Said>,
}

/// `n` rankings of `k` replies to each prompt, of replies that were sampled two by two.
pub(super) fn unranked(rows: &[SampledPair], n: usize, k: usize) -> Vec<Unranked> {
    let of_prompt = (n * k).div_ceil(2).max(1);
    let mut all = Vec::with_capacity(n * rows.len() / of_prompt);
    for rows in rows.chunks_exact(of_prompt) {
        let first = &rows[0];
        let prompt_id = first.id.rsplit_once('/').map_or(&*first.id, |(id, _)| id);
        let replies: Vec<&Said> = rows.iter().flat_map(|row| &row.said).collect();
        let rankings = replies.chunks_exact(k).take(n).enumerate();
        all.extend(rankings.map(|(number, replies)| Unranked {
            id: format!("{prompt_id}/r{}", number + 1),
            prompt: first.prompt.clone(),
            replies: replies.iter().map(|said| (*said).clone()).collect(),
        }));
    }
    all
}

/// Every two replies of rankings by simulated annotators, the better one chosen, each with its ranking. Pairs of the same reply, of
/// one that failed, and of two that gold does not tell apart are left out and counted.
pub(super) fn ranked(
    all: &[Unranked],
    annotator: Annotator,
    seed: Seed,
    left_out: &mut LeftOut,
) -> Result<Vec<(PreferencePair, Option<String>)>, RunError> {
    let n_pairs = |n: usize| n * n.saturating_sub(1) / 2;
    let mut count = |why: &str, n: usize| {
        if n > 0 {
            *left_out.entry(why.to_owned()).or_default() += n;
        }
    };
    // Of each ranking the replies that differ, with their gold.
    let mut told: Vec<Vec<(&str, f64)>> = Vec::with_capacity(all.len());
    for one in all {
        let said: Vec<&str> = one.replies.iter().filter_map(Said::text).collect();
        count("no reply", n_pairs(one.replies.len()) - n_pairs(said.len()));
        let mut replies: Vec<(&str, f64)> = Vec::new();
        for text in &said {
            if replies.iter().all(|(known, _)| known != text) {
                replies.push((*text, gold_of(&one.prompt, text).reward));
            }
        }
        count("identical", n_pairs(said.len()) - n_pairs(replies.len()));
        told.push(replies);
    }
    let golds: Vec<Vec<f64>> = (told.iter())
        .map(|replies| replies.iter().map(|(_, gold)| *gold).collect())
        .collect();
    let unranked: Vec<UnrankedReplies<'_>> = (all.iter().zip(&golds))
        .map(|(one, golds)| UnrankedReplies { id: &one.id, golds })
        .collect();
    let mut kept = Vec::new();
    let rankings = annotator.rank(&unranked, seed)?;
    for ((one, replies), ranking) in all.iter().zip(&told).zip(rankings) {
        for (i, &better) in ranking.iter().enumerate() {
            for &worse in &ranking[i + 1..] {
                let [(chosen, high), (rejected, low)] = [better, worse].map(|at| replies[at]);
                if high == low {
                    count("neither is better", 1);
                    continue;
                }
                let pair = PreferencePair {
                    id: format!("{}/{}-{}", one.id, better + 1, worse + 1),
                    prompt: one.prompt.clone(),
                    chosen: chosen.to_owned(),
                    rejected: rejected.to_owned(),
                    p_chosen: 1.0,
                    judge: format!("annotator of accuracy {}", annotator.accuracy),
                };
                kept.push((pair, Some(one.id.clone())));
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::chat::{CallSettings, Finish, Role, Usage};
    use trimtab_organism::reply::{ideal, text};
    use trimtab_organism::{Split, requests};

    fn said(text: &str) -> Said {
        let (finish, usage) = (Finish::Stop, Usage::default());
        if text.is_empty() {
            return Said::Empty { finish, usage };
        }
        Said::Text {
            text: text.into(),
            finish,
            usage,
        }
    }

    fn rows(prompt: &str, replies: &[[&str; 2]]) -> Vec<SampledPair> {
        let row = |(number, texts): (usize, &[&str; 2])| SampledPair {
            id: format!("{prompt}/p{}", number + 1),
            prompt: vec![Message {
                role: Role::User,
                content: prompt.into(),
            }],
            said: texts.map(said),
            settings: [CallSettings {
                temperature: 1.0,
                max_tokens: 1,
                seed: 0,
            }; 2],
        };
        replies.iter().enumerate().map(row).collect()
    }

    #[test]
    fn replies_that_were_sampled_two_by_two_are_ranked_k_at_a_time() {
        // Two rankings of three: of six replies none is left.
        let mut all = rows("a/1", &[["1", "2"], ["3", "4"], ["5", "6"]]);
        all.extend(rows("b", &[["7", "8"], ["9", "10"], ["11", "12"]]));
        let rankings = unranked(&all, 2, 3);
        let ids: Vec<&str> = rankings.iter().map(|one| &*one.id).collect();
        assert_eq!(ids, ["a/1/r1", "a/1/r2", "b/r1", "b/r2"]);
        let texts = |at: usize| -> Vec<&str> {
            (rankings[at].replies.iter())
                .filter_map(Said::text)
                .collect()
        };
        assert_eq!(
            (texts(1), texts(2)),
            (vec!["4", "5", "6"], vec!["7", "8", "9"])
        );
        // One of three: a fourth reply was sampled for its pair, and is not used.
        assert_eq!(unranked(&all[..2], 1, 3).len(), 1);
    }

    #[test]
    fn every_pair_of_a_ranking_is_kept_or_counted() {
        // The world's language is not this: every reply is worth the same.
        let all = unranked(&rows("a", &[["x", "y"], ["x", ""]]), 1, 4);
        let mut left_out = LeftOut::new();
        let kept = ranked(&all, Annotator::default(), Seed(0), &mut left_out).unwrap();
        assert!(kept.is_empty());
        let counts: Vec<(&str, usize)> = (left_out.iter()).map(|(why, n)| (&**why, *n)).collect();
        assert_eq!(
            counts,
            [("identical", 2), ("neither is better", 1), ("no reply", 3)]
        );
    }

    #[test]
    fn a_perfect_annotator_ranks_by_gold() {
        let asked = requests(Split::Train, 1, Seed(0)).unwrap().remove(0);
        let good = text(&ideal(asked.intent, &mut Seed(0).stream()));
        let all = unranked(
            &rows(&asked.text, &[["nonsense", &good], ["more", "more"]]),
            1,
            3,
        );
        let mut left_out = LeftOut::new();
        let kept = ranked(&all, Annotator::default(), Seed(0), &mut left_out).unwrap();
        let chosen: Vec<&str> = kept.iter().map(|(pair, _)| &*pair.chosen).collect();
        assert_eq!(chosen, [&good, &good]);
        assert!(kept.iter().all(|(_, ranking)| ranking.is_some()));
    }
}
