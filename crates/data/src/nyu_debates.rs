//! Human debates and consultancies with every belief of their judges: a set that is part of the program.
//!
//! Paper: Michael et al. 2023, arXiv:2311.08702. Rows lie in `data/nyu-debates/` (origin and licence in `SOURCE.md`), made by
//! `scripts/data/make_nyu_debates.py`. There is no text in them: what was said is in the release, what was measured is here.

use std::io::{BufRead as _, BufReader};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::stream::{Stream, hex};

pub(crate) static ROWS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/nyu-debates/nyu-debates.jsonl.gz"
));

/// One debate or consultancy that anybody judged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NyuDebate {
    /// Its name in the release.
    pub id: String,
    /// The story that it is on.
    pub story: String,
    /// How long the story is, in the release's tokens.
    pub story_tokens: u32,
    /// The question: several debates may be on one.
    pub question: String,
    /// Which of the two answers is right: 0 or 1.
    pub right: usize,
    /// Who argued.
    pub setting: Setting,
    /// Who spoke.
    pub speakers: Speakers,
    /// Whether the paper counts it.
    pub in_paper: bool,
    /// Whether it came to its end.
    pub complete: bool,
    /// The pseudonyms of who argued the first answer, and the second.
    pub debaters: [Option<String>; 2],
    /// What was said, in order.
    pub speeches: Vec<NyuSpeech>,
    /// What judges made of it.
    pub judgements: Vec<NyuJudgement>,
}

/// Who argued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Two debaters, one for each answer.
    Debate,
    /// One consultant, for the right or the wrong answer.
    Consultancy,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speakers {
    /// People.
    People,
    /// GPT-4.
    Model,
}

/// One speech.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NyuSpeech {
    /// How often the judge had said what it believed before.
    pub round: u32,
    /// Which answer it argued: 0 or 1.
    pub side: usize,
    /// Words between blanks, quotes among them.
    pub words: u32,
    /// The tokens of the story that it quotes: from, and up to.
    pub quotes: Vec<[u32; 2]>,
}

/// What one judge made of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NyuJudgement {
    /// The judge's pseudonym.
    pub judge: String,
    /// How it judged.
    pub mode: Mode,
    /// After how many turns, and how many per cent the first answer had; the prior is after none.
    pub beliefs: Vec<(u32, u8)>,
    /// Whether the last of them is what it decided.
    pub decided: bool,
}

/// How a judge judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// While it was held, and answering.
    Live,
    /// Afterwards, round by round.
    OfflineStepped,
    /// Afterwards, all at once.
    OfflineTimed,
}

/// All rows, by name.
///
/// # Panics
///
/// Never, as long as the compiled-in file is what its script made: a test reads it.
pub fn nyu_debates() -> Vec<NyuDebate> {
    BufReader::new(Stream::new(ROWS, true))
        .lines()
        .map(|line| {
            serde_json::from_str(&line.expect("compiled in")).expect("as its script wrote it")
        })
        .collect()
}

/// SHA-256 of the file.
pub fn sha256() -> String {
    hex(&Sha256::digest(ROWS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_the_paper_counts() {
        let rows = nyu_debates();
        assert_eq!(rows.len(), 602);
        let n = |setting, speakers| {
            (rows.iter())
                .filter(|row| row.in_paper && row.setting == setting && row.speakers == speakers)
                .count()
        };
        assert_eq!(
            [
                n(Setting::Debate, Speakers::People),
                n(Setting::Consultancy, Speakers::People),
                n(Setting::Debate, Speakers::Model),
                n(Setting::Consultancy, Speakers::Model),
            ],
            [154, 96, 87, 76]
        );
    }

    #[test]
    fn every_row_hangs_together() {
        for row in nyu_debates() {
            assert!(row.right < 2, "{}", row.id);
            let n_debaters = row.debaters.iter().flatten().count();
            assert_eq!(
                n_debaters,
                if row.setting == Setting::Debate { 2 } else { 1 },
                "{}",
                row.id
            );
            for speech in &row.speeches {
                assert!(row.debaters[speech.side].is_some(), "{}", row.id);
                let inside = |[from, to]: &[u32; 2]| from < to && *to <= row.story_tokens;
                assert!(speech.quotes.iter().all(inside), "{}", row.id);
            }
            for judgement in &row.judgements {
                assert!(
                    judgement
                        .beliefs
                        .iter()
                        .all(|(_, per_cent)| *per_cent <= 100),
                    "{}",
                    row.id
                );
                assert!(
                    judgement.beliefs.is_sorted_by_key(|belief| belief.0),
                    "{}",
                    row.id
                );
            }
            if row.in_paper {
                let decided = row
                    .judgements
                    .iter()
                    .filter(|j| j.mode == Mode::Live && j.decided);
                assert_eq!(decided.count(), 1, "{}", row.id);
            }
        }
    }
}
