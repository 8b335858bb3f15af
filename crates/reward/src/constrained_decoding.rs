//! Rules as an automaton over tokens: which tokens may still come, so that nothing forbidden is ever written.
//!
//! ```text
//! allowed(state, r) = { token : a state that accepts can be reached from δ(state, token) in exactly r − 1 tokens }
//! masked            Π_t p(y_t | y_<t) [allowed] / Σ_allowed p(· | y_<t)
//! conditional       Π_t p(y_t | y_<t) [y accepted] / P(accepted)
//! ```
//!
//! Both give accepted texts only. They are not the same distribution: masking spends at every token what the conditional spends once, so it leans
//! towards beginnings after which most is forbidden. Drawing until a text is accepted gives the conditional exactly, at 1/P(accepted) texts each.
//! [`masked`] and [`conditional`] enumerate both, for spaces small enough to.
//!
//! In: an automaton (deterministic, with missing transitions for what is forbidden outright), a length in tokens. Out: masks; log-probabilities of all texts.
//! A text that ends early is padded with its end-of-text token, which leads from an accepting state to itself.
//! Differs from the literature: texts have a fixed length, so a mask also keeps open that the text can end in time. A transformer's replies are decoded under
//! rules over text, which can be kept by ending: `generate/constraint.rs` of `trimtab-nn`.

use crate::finite::normalise;

/// A state of an automaton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State(pub usize);

/// A deterministic automaton over tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automaton {
    n_tokens: usize,
    /// `[state][token]`.
    next: Vec<Vec<Option<State>>>,
    accepting: Vec<bool>,
}

/// Why there is no automaton, or no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutomatonError {
    /// No state.
    #[error("an automaton without states")]
    Empty,
    /// A row of the wrong length.
    #[error("state {state} has {got} transitions, where there are {n_tokens} tokens")]
    Row {
        /// The state.
        state: usize,
        /// Its transitions.
        got: usize,
        /// Tokens.
        n_tokens: usize,
    },
    /// Verdicts of more or fewer states than there are.
    #[error("{n_states} states and {got} marks of acceptance")]
    Marks {
        /// States.
        n_states: usize,
        /// Marks.
        got: usize,
    },
    /// A transition to a state that is not there.
    #[error("state {state} leads to state {to} of {n_states}")]
    Target {
        /// The state.
        state: usize,
        /// Where it leads.
        to: usize,
        /// States.
        n_states: usize,
    },
    /// A forbidden pattern without tokens, or with a token that is not there.
    #[error("pattern {pattern} is empty or has a token that is none of {n_tokens}")]
    Pattern {
        /// The pattern.
        pattern: usize,
        /// Tokens.
        n_tokens: usize,
    },
    /// Automata over different tokens.
    #[error("automata over {left} and {right} tokens")]
    Tokens {
        /// Of one.
        left: usize,
        /// Of the other.
        right: usize,
    },
    /// Nothing can be written.
    #[error("no text of {length} tokens keeps the rules")]
    NoText {
        /// Tokens.
        length: usize,
    },
}

impl AutomatonError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoText { .. } => "drop a rule, or allow another length".into(),
            Self::Tokens { .. } => "make both automata from one tokenizer".into(),
            _ => "states and tokens count from 0, and every state has a transition or none for each token".into(),
        }
    }
}

impl Automaton {
    /// An automaton from its table, `[state][token]`; state 0 is the first.
    ///
    /// # Errors
    ///
    /// [`AutomatonError`]: a table that does not fit together.
    pub fn new(
        n_tokens: usize,
        next: Vec<Vec<Option<State>>>,
        accepting: Vec<bool>,
    ) -> Result<Self, AutomatonError> {
        let n_states = next.len();
        if n_states == 0 {
            return Err(AutomatonError::Empty);
        }
        if accepting.len() != n_states {
            return Err(AutomatonError::Marks {
                n_states,
                got: accepting.len(),
            });
        }
        for (state, row) in next.iter().enumerate() {
            if row.len() != n_tokens {
                return Err(AutomatonError::Row {
                    state,
                    got: row.len(),
                    n_tokens,
                });
            }
            if let Some(State(to)) = row.iter().flatten().find(|State(to)| *to >= n_states) {
                return Err(AutomatonError::Target {
                    state,
                    to: *to,
                    n_states,
                });
            }
        }
        Ok(Self {
            n_tokens,
            next,
            accepting,
        })
    }

    /// The automaton of all texts without any of some patterns (Aho and Corasick 1975).
    ///
    /// # Errors
    ///
    /// [`AutomatonError::Pattern`].
    pub fn forbidding(n_tokens: usize, patterns: &[Vec<usize>]) -> Result<Self, AutomatonError> {
        for (pattern, tokens) in patterns.iter().enumerate() {
            if tokens.is_empty() || tokens.iter().any(|&token| token >= n_tokens) {
                return Err(AutomatonError::Pattern { pattern, n_tokens });
            }
        }
        // A state is a prefix of some pattern: the longest that the text ends in. The empty one comes first.
        let mut prefixes: Vec<&[usize]> = patterns
            .iter()
            .flat_map(|p| (0..p.len()).map(|n| &p[..n]))
            .collect();
        prefixes.push(&[]);
        prefixes.sort_unstable();
        prefixes.dedup();
        let target = |prefix: &[usize], token: usize| {
            let mut text = prefix.to_vec();
            text.push(token);
            if patterns.iter().any(|pattern| text.ends_with(pattern)) {
                return None;
            }
            // The empty prefix is always found.
            let longest =
                (0..=text.len()).find_map(|from| prefixes.binary_search(&&text[from..]).ok());
            longest.map(State)
        };
        let row = |prefix: &&[usize]| (0..n_tokens).map(|token| target(prefix, token)).collect();
        let next: Vec<Vec<Option<State>>> = prefixes.iter().map(row).collect();
        let accepting = vec![true; next.len()];
        Self::new(n_tokens, next, accepting)
    }

    /// The automaton of texts that both accept.
    ///
    /// # Errors
    ///
    /// [`AutomatonError::Tokens`].
    pub fn and(&self, other: &Self) -> Result<Self, AutomatonError> {
        if self.n_tokens != other.n_tokens {
            return Err(AutomatonError::Tokens {
                left: self.n_tokens,
                right: other.n_tokens,
            });
        }
        let n_other = other.next.len();
        let pair = |left: State, right: State| State(left.0 * n_other + right.0);
        let states =
            (0..self.next.len()).flat_map(|left| (0..n_other).map(move |right| (left, right)));
        let (next, accepting) = states
            .map(|(left, right)| {
                let tokens = self.next[left].iter().zip(&other.next[right]);
                let row = tokens.map(|(left, right)| Some(pair((*left)?, (*right)?)));
                (
                    row.collect(),
                    self.accepting[left] && other.accepting[right],
                )
            })
            .unzip();
        Self::new(self.n_tokens, next, accepting)
    }

    /// Whether it accepts a text.
    pub fn accepts(&self, text: &[usize]) -> bool {
        let mut state = State(0);
        for &token in text {
            match self.next(state, token) {
                Some(next) => state = next,
                None => return false,
            }
        }
        self.accepting[state.0]
    }

    /// The state after a token; none where the token is forbidden, or none of the tokens.
    pub fn next(&self, state: State, token: usize) -> Option<State> {
        *self.next.get(state.0)?.get(token)?
    }
}

/// Writes texts of one length that an automaton accepts, token by token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstrainedDecoder<'a> {
    automaton: &'a Automaton,
    /// `[remaining][state]`: whether an accepting state can be reached in exactly so many tokens.
    alive: Vec<Vec<bool>>,
}

impl<'a> ConstrainedDecoder<'a> {
    /// A decoder for texts of `length` tokens.
    ///
    /// # Errors
    ///
    /// [`AutomatonError::NoText`] where there is none.
    pub fn new(automaton: &'a Automaton, length: usize) -> Result<Self, AutomatonError> {
        let mut alive = vec![automaton.accepting.clone()];
        for remaining in 1..=length {
            let before = &alive[remaining - 1];
            let is_alive =
                |row: &Vec<Option<State>>| row.iter().flatten().any(|state| before[state.0]);
            alive.push(automaton.next.iter().map(is_alive).collect());
        }
        if alive[length][0] {
            Ok(Self { automaton, alive })
        } else {
            Err(AutomatonError::NoText { length })
        }
    }

    /// Tokens of a whole text.
    pub fn length(&self) -> usize {
        self.alive.len() - 1
    }

    /// The state before the first token.
    pub fn start(&self) -> State {
        State(0)
    }

    /// For each token, whether it may come after `n_written` tokens; all false where the text is full.
    pub fn allowed(&self, state: State, n_written: usize) -> Vec<bool> {
        let left = self.length().checked_sub(n_written + 1);
        let may = |token| {
            let next = self.automaton.next(state, token);
            left.zip(next)
                .is_some_and(|(left, next)| self.alive[left][next.0])
        };
        (0..self.automaton.n_tokens).map(may).collect()
    }

    /// The state after a token; none where it is not allowed.
    pub fn advance(&self, state: State, n_written: usize, token: usize) -> Option<State> {
        let next = self.automaton.next(state, token)?;
        let left = self.length().checked_sub(n_written + 1)?;
        self.alive[left][next.0].then_some(next)
    }

    /// Log-probabilities with those of forbidden tokens at minus infinity, normalised; none where the model gives no allowed token any probability.
    pub fn mask(&self, state: State, n_written: usize, log_probs: &[f64]) -> Option<Vec<f64>> {
        let allowed = self.allowed(state, n_written);
        let masked = log_probs
            .iter()
            .zip(allowed)
            .map(|(p, may)| if may { *p } else { f64::NEG_INFINITY });
        normalise(masked.collect())
    }
}

/// A model of tokens: log-probabilities of the next one after those before.
pub type NextToken<'a> = dyn Fn(&[usize]) -> Vec<f64> + 'a;

/// All texts of a length over `n_tokens` tokens, in the order of counting.
pub fn all_texts(n_tokens: usize, length: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..n_tokens.pow(length as u32)).map(move |mut number| {
        let mut text = vec![0; length];
        for token in text.iter_mut().rev() {
            *token = number % n_tokens;
            number /= n_tokens;
        }
        text
    })
}

/// Log-probability of every text under a masked model, in the order of [`all_texts`]. Minus infinity for texts never written.
pub fn masked(model: &NextToken<'_>, decoder: &ConstrainedDecoder<'_>) -> Vec<f64> {
    let of_text = |text: Vec<usize>| {
        let (mut state, mut total) = (decoder.start(), 0.0);
        for (n_written, &token) in text.iter().enumerate() {
            let log_probs = decoder.mask(state, n_written, &model(&text[..n_written]))?;
            total += log_probs[token];
            state = decoder.advance(state, n_written, token)?;
        }
        Some(total)
    };
    let texts = all_texts(decoder.automaton.n_tokens, decoder.length());
    texts
        .map(|text| of_text(text).unwrap_or(f64::NEG_INFINITY))
        .collect()
}

/// Log-probability of every text given that it is accepted, in the order of [`all_texts`]; none where no accepted text has any probability.
pub fn conditional(
    model: &NextToken<'_>,
    automaton: &Automaton,
    length: usize,
) -> Option<Vec<f64>> {
    let of_text = |text: Vec<usize>| {
        if automaton.accepts(&text) {
            text.iter()
                .enumerate()
                .map(|(n, &token)| model(&text[..n])[token])
                .sum()
        } else {
            f64::NEG_INFINITY
        }
    };
    normalise(all_texts(automaton.n_tokens, length).map(of_text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{divergence, total_variation};
    use proptest::prelude::*;
    use trimtab_core::Seed;

    const N_TOKENS: usize = 5;
    const LENGTH: usize = 6;

    /// Some model whose next token depends on the last two.
    fn model(seed: u64) -> impl Fn(&[usize]) -> Vec<f64> {
        move |before: &[usize]| {
            let last = before
                .iter()
                .rev()
                .take(2)
                .fold(7, |a, &b| a * 31 + b as u64);
            let mut random = Seed(seed ^ last).stream();
            normalise((0..N_TOKENS).map(|_| 1.5 * random.next_normal()).collect()).unwrap()
        }
    }

    /// No 0 2 and no 3 3; and a 4 somewhere, which must still fit in.
    fn automaton() -> Automaton {
        let without =
            Automaton::forbidding(N_TOKENS, &[vec![0, 2], vec![3, 3], vec![1, 1, 1]]).unwrap();
        let seen = |state: usize| {
            (0..N_TOKENS)
                .map(|t| Some(State(usize::from(state == 1 || t == 4))))
                .collect()
        };
        let with_four =
            Automaton::new(N_TOKENS, vec![seen(0), seen(1)], vec![false, true]).unwrap();
        without.and(&with_four).unwrap()
    }

    fn keeps(text: &[usize]) -> bool {
        let has = |pattern: &[usize]| text.windows(pattern.len()).any(|window| window == pattern);
        !has(&[0, 2]) && !has(&[3, 3]) && !has(&[1, 1, 1]) && has(&[4])
    }

    #[test]
    fn masking_violates_nothing_and_is_not_the_conditional() {
        let (automaton, model) = (automaton(), model(1));
        let decoder = ConstrainedDecoder::new(&automaton, LENGTH).unwrap();
        let masked = masked(&model, &decoder);
        let conditional = conditional(&model, &automaton, LENGTH).unwrap();
        let violating = all_texts(N_TOKENS, LENGTH)
            .zip(&masked)
            .filter(|(text, _)| !keeps(text));
        assert_eq!(violating.map(|(_, p)| p.exp()).sum::<f64>(), 0.0);
        let total: f64 = masked.iter().map(|p| p.exp()).sum();
        assert!((total - 1.0).abs() < 1e-9, "{total}");
        let apart = divergence(&masked, &conditional);
        assert!(apart > 0.05 && apart.is_finite(), "{apart}");
    }

    #[test]
    fn rejection_comes_to_the_conditional_with_samples() {
        let (automaton, model) = (automaton(), model(1));
        let conditional = conditional(&model, &automaton, LENGTH).unwrap();
        // Texts of the model itself: one draw of all its tokens at once.
        let anything = Automaton::forbidding(N_TOKENS, &[]).unwrap();
        let free = super::conditional(&model, &anything, LENGTH).unwrap();
        let mut reached = 0.0;
        let mut reach = |p: &f64| {
            reached += p.exp();
            reached
        };
        let reached: Vec<f64> = free.iter().map(&mut reach).collect();
        let accepted: Vec<bool> = all_texts(N_TOKENS, LENGTH)
            .map(|text| keeps(&text))
            .collect();
        let mut random = Seed(4).stream();
        let mut counts = vec![0.0; conditional.len()];
        let mut apart = Vec::new();
        let mut n_accepted = 0;
        while n_accepted < 64_000 {
            let drawn = random.next_f64();
            let text = reached
                .partition_point(|&reached| reached <= drawn)
                .min(free.len() - 1);
            if !accepted[text] {
                continue;
            }
            counts[text] += 1.0;
            n_accepted += 1;
            if [1_000, 8_000, 64_000].contains(&n_accepted) {
                let drawn = normalise(counts.iter().map(|c: &f64| c.ln()).collect()).unwrap();
                apart.push((
                    divergence(&drawn, &conditional),
                    total_variation(&drawn, &conditional),
                ));
            }
        }
        assert!(
            apart
                .windows(2)
                .all(|w| w[1].0 < 0.5 * w[0].0 && w[1].1 < w[0].1),
            "{apart:?}"
        );
        let decoder = ConstrainedDecoder::new(&automaton, LENGTH).unwrap();
        let of_masking = divergence(&masked(&model, &decoder), &conditional);
        assert!(apart[2].0 < 0.2 * of_masking, "{apart:?} {of_masking}");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let automaton = automaton();
        assert_eq!(
            ConstrainedDecoder::new(&automaton, 0),
            Err(AutomatonError::NoText { length: 0 })
        );
        let error = Automaton::new(2, vec![vec![Some(State(3)), None]], vec![true]).unwrap_err();
        assert_eq!(error.to_string(), "state 0 leads to state 3 of 1");
        let error = Automaton::forbidding(2, &[vec![]]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pattern 0 is empty or has a token that is none of 2"
        );
    }

    proptest! {
        #[test]
        fn forbidden_patterns_are_what_it_rejects(
            patterns in prop::collection::vec(prop::collection::vec(0..3_usize, 1..4), 0..4),
            text in prop::collection::vec(0..3_usize, 0..10),
        ) {
            let automaton = Automaton::forbidding(3, &patterns).unwrap();
            let has = patterns.iter().any(|p| text.windows(p.len()).any(|window| window == &p[..]));
            prop_assert_eq!(automaton.accepts(&text), !has);
        }

        #[test]
        fn a_walk_over_allowed_tokens_always_ends_well(seed: u64) {
            let automaton = automaton();
            let decoder = ConstrainedDecoder::new(&automaton, LENGTH).unwrap();
            let mut random = Seed(seed).stream();
            let (mut state, mut text) = (decoder.start(), Vec::new());
            while text.len() < LENGTH {
                let allowed = decoder.allowed(state, text.len());
                let tokens: Vec<usize> = (0..N_TOKENS).filter(|&t| allowed[t]).collect();
                let token = tokens[random.below(tokens.len())];
                state = decoder.advance(state, text.len(), token).unwrap();
                text.push(token);
            }
            prop_assert!(keeps(&text), "{text:?}");
            prop_assert!(decoder.allowed(state, LENGTH).iter().all(|may| !may));
        }
    }
}
