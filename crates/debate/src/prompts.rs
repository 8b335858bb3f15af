//! The prompts of debates, and how what was said is shown in them.
//!
//! Models speak inside tags; tags of ours that a text brings along are made harmless (`trimtab_prompt::fenced`), so that nobody
//! ends its own quotation or speaks as somebody else.

use std::fmt::Write as _;

use trimtab_prompt::fenced;

use crate::speech::{QuoteStatus, Segment};
use crate::transcript::{Speaker, Speakers};

/// The names of the tags that quote something, or that speakers write.
pub(crate) const TAGS: [&str; 16] = [
    "debater_a",
    "debater_b",
    "consultant",
    "consultant_a",
    "consultant_b",
    "critic",
    "critique",
    "judge",
    "passage",
    "question",
    "thinking",
    "argument",
    "quote",
    "system",
    "user",
    "assistant",
];

trimtab_prompt::prompts! { "debate":
    /// Tells a debater what it is.
    debater = "debater.v1";
    /// Tells a consultant whose answer was drawn.
    consultant = "consultant.v1";
    /// Tells a consultant that has chosen.
    open_consultant = "open-consultant.v1";
    /// Tells a critic what it is.
    critic = "critic.v1";
    /// Shows the passage to who may read it.
    passage = "passage.v1";
    /// Says that there is none.
    no_passage = "no-passage.v1";
    /// All that a speaker sees before its turn.
    turn = "turn.v1";
    /// All that a critic sees before its turn.
    critic_turn = "critic-turn.v1";
    /// Asks for an opening.
    opening = "opening.v1";
    /// Asks a debater for what follows.
    rebuttal = "rebuttal.v1";
    /// Asks a consultant for what follows.
    further = "continue.v1";
    /// Asks a critic for faults.
    faults = "faults.v1";
    /// Says that the judge has asked.
    answer_judge = "answer-judge.v1";
    /// Asks the judge what it would know.
    ask = "ask.v1";
    /// All that a judge sees.
    judge = "judge.v1";
    /// What the judge of a debate is told.
    situation_debate = "situation-debate.v1";
    /// What the judge of a debate with a choice is told.
    situation_open_debate = "situation-open-debate.v1";
    /// What the judge of a consultant is told.
    situation_consultancy = "situation-consultancy.v1";
    /// What the judge of a consultant that has chosen is told.
    situation_open_consultancy = "situation-open-consultancy.v1";
    /// What the judge of two consultants is told.
    situation_consultancies = "situation-consultancies.v1";
    /// What the judge of a statement and its critic is told.
    situation_critique = "situation-critique.v1";
    /// What the judge is told that hears nobody.
    situation_alone = "situation-alone.v1";
    /// What the judge is told that reads the passage.
    situation_expert = "situation-expert.v1";
    /// What marks of quotes mean.
    quotes_note = "quotes-note.v1";
    /// Asks for A or B.
    answer_letter = "answer-letter.v1";
    /// Asks for a probability.
    answer_percent = "answer-percent.v1";
    /// Asks for reasons.
    reasons = "reasons.v1";
    /// Asks an open speaker for its answer.
    choose = "choose.v1";
    /// Asks for advice on a speech.
    critique = "critique.v1";
    /// Asks whether advice helps.
    helpful = "helpful.v1";
    /// Asks for a speech that follows advice.
    refine = "refine.v1";
}

/// `text` of the data or of a model, where it stands between tags.
pub(crate) fn quoted(text: &str) -> String {
    fenced(text, &TAGS).into_owned()
}

/// Who spoke, as a tag.
pub(crate) fn tag(by: Speaker, speakers: Speakers, apart: bool) -> &'static str {
    use crate::side::Side;
    match (by, speakers) {
        (Speaker::Judge, _) => "judge",
        (Speaker::Critic, _) => "critic",
        (Speaker::Side(_), Speakers::One(_) | Speakers::Nobody) => "consultant",
        (Speaker::Side(Side::A), Speakers::Both) if apart => "consultant_a",
        (Speaker::Side(Side::B), Speakers::Both) if apart => "consultant_b",
        (Speaker::Side(Side::A), Speakers::Both) => "debater_a",
        (Speaker::Side(Side::B), Speakers::Both) => "debater_b",
    }
}

/// One thing that was said, between tags.
pub(crate) fn said(out: &mut String, round: u32, tag: &str, segments: Option<&[Segment]>) {
    let _infallible = writeln!(out, "<{tag} round=\"{round}\">");
    match segments {
        None => out.push_str("(nothing that could be heard)"),
        Some(segments) => out.push_str(&quoted(&marked(segments))),
    }
    let _infallible = writeln!(out, "\n</{tag}>");
}

/// Words and quotes, each quote with what became of looking it up.
pub(crate) fn marked(segments: &[Segment]) -> String {
    let mut out = String::new();
    for segment in segments {
        match segment {
            Segment::Words(words) => out.push_str(words),
            Segment::Quote { text, status } => {
                let _infallible = write!(out, "“{text}”");
                out.push_str(match status {
                    QuoteStatus::Verified(_) => " [in the text]",
                    QuoteStatus::Unverified => " [not in the text]",
                    QuoteStatus::Trivial => "",
                });
            }
        }
    }
    out
}

/// Whether any of `segments` is a quote with a mark.
pub(crate) fn has_marks(segments: &[Segment]) -> bool {
    segments.iter().any(|segment| {
        matches!(
            segment,
            Segment::Quote {
                status: QuoteStatus::Verified(_) | QuoteStatus::Unverified,
                ..
            }
        )
    })
}
