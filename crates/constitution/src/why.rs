//! Why a pair is labelled as it is: plain text for people, 80 columns wide.
//!
//! What users and models wrote is shown with its control characters escaped, so that no terminal obeys it, and cut after
//! [`LONGEST`] characters.

use std::fmt::Write;

use trimtab_core::chat::{Estimator, OptionLogProb, Role};
use unicode_width::UnicodeWidthChar;

use crate::judgement::{Order, OrderJudgement};
use crate::label::Combine;
use crate::labelled::{LabelledPair, PairOutcome};
use crate::supervised::{Dialogue, StepKind};
use trimtab_core::chat::Reading;
use trimtab_core::chat::Said;

/// How wide a line may be, in columns.
pub const WIDTH: usize = 80;

/// How much of one text is shown, in characters.
pub const LONGEST: usize = 1200;

/// Why `pair` is labelled as it is.
pub fn why(pair: &LabelledPair) -> String {
    let mut page = Page::default();
    page.fact("pair", &pair.id);
    page.fact("outcome", &outcome(pair));
    page.fact("label", &label(pair));
    if let Some(effect) = pair.order_effect {
        let by = format!(
            "{:+.3} for whichever reply is shown as A; {:+.3} for the first reply (log-odds)",
            effect.order, effect.preference
        );
        page.fact("order", &by);
    }
    page.fact("judge", &pair.judge);
    page.fact(
        "rules",
        &format!("constitution {}", short(&pair.constitution_sha256)),
    );
    for message in &pair.prompt {
        page.text(speaker(message.role), &message.content);
    }
    let [first, second] = match pair.p {
        Some(p) if p > 0.5 => ["First reply (better)", "Second reply"],
        Some(p) if p < 0.5 => ["First reply", "Second reply (better)"],
        _ => ["First reply", "Second reply"],
    };
    page.text(first, &pair.replies[0]);
    page.text(second, &pair.replies[1]);
    for (i, judgement) in pair.judgements.iter().enumerate() {
        page.judgement(i + 1, judgement);
    }
    page.0
}

/// Why the revision of `round` in `dialogue` says what it says: the prompt, and every step up to it.
pub fn why_revised(dialogue: &Dialogue, round: u32) -> String {
    let mut page = Page::default();
    page.fact("revision", &format!("{}/r{round}", dialogue.id));
    for message in &dialogue.prompt {
        page.text(speaker(message.role), &message.content);
    }
    for step in dialogue.steps.iter().filter(|step| step.round <= round) {
        let name = match (step.kind, step.round) {
            (StepKind::Reply, _) => "First reply".to_owned(),
            (StepKind::Critique, round) => format!("Critique {round}"),
            (StepKind::Revision, round) => format!("Revision {round}"),
        };
        let principle = step.principle.iter().map(|id| format!("principle {id}"));
        let prompt = (step.prompt_sha256.iter()).map(|hash| format!("prompt {}", short(hash)));
        let blemishes = step
            .blemishes
            .iter()
            .map(|blemish| blemish.name().to_owned());
        let heading: Vec<String> = (std::iter::once(name).chain(principle))
            .chain(prompt)
            .chain(blemishes)
            .collect();
        let heading = heading.join(", ");
        match &step.said {
            Said::Text { text, .. } => page.text(&heading, text),
            Said::Empty { .. } => page.text(&heading, "(nothing)"),
            Said::Refused { text, .. } => page.text(&format!("{heading}: declined"), text),
            Said::Failed(failure) => page.text(&format!("{heading}: failed"), &failure.message),
        }
    }
    page.0
}

fn speaker(role: Role) -> &'static str {
    match role {
        Role::System => "System",
        Role::User => "User",
        Role::Assistant => "Assistant",
    }
}

fn outcome(pair: &LabelledPair) -> String {
    let name = pair.outcome.name();
    let more = match pair.outcome {
        PairOutcome::Decided => "",
        PairOutcome::Inconsistent => ": the same place wins in both orders",
        PairOutcome::Tie => ": too near to one half",
        PairOutcome::Identical => ": the two replies are the same, and nothing was asked",
        PairOutcome::Unparsed => ": no answer could be read",
        PairOutcome::Refused => ": the judge declined",
        PairOutcome::TooLong => ": longer than the judge's context",
        PairOutcome::Failed => ": calls failed",
    };
    format!("{name}{more}")
}

fn label(pair: &LabelledPair) -> String {
    let (Some(p), Some(judged)) = (pair.p, pair.p_judged) else {
        return "none".into();
    };
    let how = match pair.combine {
        _ if pair.judgements.len() == 1 => "of one judgement",
        Combine::MeanLogOdds if pair.judgements.iter().any(|j| j.log_odds().is_some()) => {
            "by the mean of log-odds"
        }
        Combine::MeanLogOdds | Combine::MeanProbability => "by the mean of probabilities",
    };
    let clamped = match pair.clamp {
        Some([low, high]) if p != judged => {
            format!("; {judged:.4} before it was kept between {low} and {high}")
        }
        _ => String::new(),
    };
    format!("{p:.4} that the first reply is the better one, {how}{clamped}")
}

/// The beginning of a hash: enough to find it.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn fact(&mut self, name: &str, value: &str) {
        self.wrapped(&format!("{name:<9}"), "         ", value);
    }

    fn text(&mut self, title: &str, text: &str) {
        self.0.push('\n');
        self.wrapped("", "", title);
        let (shown, n_more) = match text.char_indices().nth(LONGEST) {
            Some((end, _)) => (&text[..end], text[end..].chars().count()),
            None => (text, 0),
        };
        for line in shown.lines() {
            self.wrapped("  ", "  ", line);
        }
        if n_more > 0 {
            self.wrapped("  ", "  ", &format!("… and {n_more} characters more"));
        }
    }

    fn judgement(&mut self, number: usize, judgement: &OrderJudgement) {
        self.0.push('\n');
        let shown = match judgement.order {
            Order::Given => "first reply shown as A",
            Order::Swapped => "first reply shown as B",
        };
        let title = format!(
            "Judgement {number}: principle {}, {shown}",
            judgement.principle
        );
        self.wrapped("", "", &title);
        let prompt = format!("prompt {}", short(&judgement.prompt_sha256));
        self.wrapped("  ", "  ", &prompt);
        match &judgement.rationale {
            None => {}
            Some(Said::Text { text, .. }) => self.said("reasons: ", text),
            Some(Said::Refused { text, .. }) => self.said("reasons refused: ", text),
            Some(Said::Empty { .. }) => self.wrapped("  ", "  ", "reasons: none were given"),
            Some(Said::Failed(failure)) => self.said("reasons failed: ", &failure.message),
        }
        match &judgement.reading {
            Reading::LogProbs(read) | Reading::LittleMass(read) => {
                let [a, b] = read.log_probs.map(log_prob);
                let how = match &read.estimator {
                    Estimator::Scored => "scored whole".into(),
                    Estimator::TopLogProbs => "from the likeliest tokens".into(),
                    Estimator::Sampled { counts, n_other } => {
                        format!("from samples: {counts:?} and {n_other} others")
                    }
                };
                let line = format!(
                    "log p(A) {a}, log p(B) {b}, together {} of the probability; {how}",
                    small(read.mass)
                );
                self.wrapped("  ", "    ", &line);
            }
            Reading::Text { reply, .. } => self.said("answered: ", reply),
            Reading::Unparsed { reply, .. } => self.said("unreadable: ", reply),
            Reading::Refused { reply, .. } => self.said("refused: ", reply),
            Reading::Failed(failure) => self.said("failed: ", &failure.message),
        }
        let p = match judgement.p() {
            Some(p) => format!("p(first is better) {p:.4}"),
            None => "not read".into(),
        };
        self.wrapped("  ", "  ", &p);
    }

    /// What a model said, cut like other texts, on lines of its own.
    fn said(&mut self, what: &str, text: &str) {
        let shown: String = text.chars().take(LONGEST).collect();
        let more = if shown.len() < text.len() { " …" } else { "" };
        self.wrapped("  ", "    ", &format!("{what}{shown}{more}"));
    }

    /// One paragraph in lines of [`WIDTH`], words kept whole where they fit; `first` begins the first line, `next` the others.
    fn wrapped(&mut self, first: &str, next: &str, text: &str) {
        let text = escaped(text);
        let mut line = first.to_owned();
        let mut width = first.len();
        let mut begun = false;
        for word in text.split(' ') {
            let mut rest = word;
            loop {
                let space = usize::from(begun);
                if width + space + columns(rest) <= WIDTH {
                    line.extend(begun.then_some(' '));
                    line.push_str(rest);
                    width += space + columns(rest);
                    begun = true;
                    break;
                }
                if begun {
                    self.line(&line);
                } else {
                    let fits = fitting(rest, WIDTH - width);
                    line.push_str(&rest[..fits]);
                    rest = &rest[fits..];
                    self.line(&line);
                }
                next.clone_into(&mut line);
                width = next.len();
                begun = false;
            }
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.0, "{}", line.trim_end());
    }
}

fn log_prob(log_prob: OptionLogProb) -> String {
    match log_prob {
        OptionLogProb::Is(l) => format!("{l:.4}"),
        OptionLogProb::AtMost(l) => format!("at most {l:.4}"),
    }
}

/// Four places, or the order of magnitude where those would be noughts.
fn small(p: f64) -> String {
    if p >= 0.001 || p == 0.0 {
        format!("{p:.4}")
    } else {
        format!("{p:.1e}")
    }
}

fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// How many bytes of `text` fit into `width` columns; at least one character.
fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (i, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width && i > 0 {
            return i;
        }
    }
    text.len()
}

/// What a terminal would obey, or not show, as an escape.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
        if c.is_control() || unseen {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
