//! Permutation powering: `σ^k(x)`.
//!
//! ```text
//! facts      x, σ(x)                                     σ a permutation of the elements in play
//! question   x, k in binary, high bit first
//! expert     y = σ^⌊k/2⌋(x);  z = σ^⌊k/2⌋(y);  k odd: σ(z)
//! fact       k = 1: σ(x);  k = 0: x
//! depth      bits of k, less one
//! ```
//!
//! Symbols: `?`, 0, 1, then the elements. The paper has 64 elements and 6 bits, and never asks for k = 1, which needs nobody.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_core::Seed;
use trimtab_core::setting::{ConfigError, require};

use super::instance::Instance;
use super::question::{IDK, MOST_FIELDS, Question, Symbol};
use super::solved::{Draws, Solution};
use super::{Play, Rules, Shape, Told, answer, ask, dont_know, elements};
use crate::expert::Step;
use crate::frontier::Repeats;
use crate::tree::{Answered, Exchange};
use crate::unanswered::Unanswered;

const ZERO: Symbol = 1;
const ONE: Symbol = 2;
const ELEMENTS: Symbol = 3;
const FEWEST: usize = 8;

/// Sizes of permutation powering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PermutationPowering {
    /// Elements that a permutation may have, 2 to 64. The first instances have 8 of them (or all, if there are fewer).
    pub elements: usize,
    /// Bits of the power, 2 to 6.
    pub bits: usize,
}

impl Default for PermutationPowering {
    fn default() -> Self {
        Self {
            elements: 16,
            bits: 4,
        }
    }
}

impl PermutationPowering {
    fn elements(self) -> Range<Symbol> {
        elements::run(ELEMENTS, self.elements)
    }

    /// `σ^power(element)`.
    pub fn power(self, element: Symbol, power: u32) -> Question {
        let mut symbols = [IDK; MOST_FIELDS];
        symbols[0] = element;
        for (bit, symbol) in symbols[1..=self.bits].iter_mut().rev().enumerate() {
            *symbol = if power >> bit & 1 == 1 { ONE } else { ZERO };
        }
        Question::new(&symbols[..=self.bits])
    }

    /// The element and the power.
    fn read(self, question: &Question) -> Option<(Symbol, u32)> {
        let (&element, bits) = question.symbols().split_first()?;
        let fits = bits.len() == self.bits
            && self.elements().contains(&element)
            && bits.iter().all(|bit| [ZERO, ONE].contains(bit));
        let power = (bits.iter()).fold(0, |power, &bit| power << 1 | u32::from(bit == ONE));
        fits.then_some((element, power))
    }
}

impl Rules for PermutationPowering {
    fn check(&self) -> Result<(), ConfigError> {
        let Self { elements, bits } = *self;
        let fits = (2..=64).contains(&elements);
        require("elements", elements, fits, "2 to 64")?;
        require("bits", bits, (2..=6).contains(&bits), "2 to 6")
    }

    fn shape(&self) -> Shape {
        Shape {
            n_symbols: usize::from(ELEMENTS) + self.elements,
            fact_fields: 2,
            question_fields: 1 + self.bits,
            interaction_length: 3,
        }
    }

    fn play(&self) -> Play {
        Play {
            fewest: FEWEST,
            all: self.elements,
            repeats: Repeats::Refuse,
            draws: Draws::ByDepth,
        }
    }

    fn draw(&self, in_play: usize, seed: Seed) -> Instance {
        let from = elements::choose(self.elements(), in_play, seed.child("elements"));
        let mut to = from.clone();
        seed.child("permutation").stream().shuffle(&mut to);
        let facts = from.into_iter().zip(to).flat_map(|(x, y)| [x, y]).collect();
        Instance::new(2, facts)
    }

    fn questions(&self, instance: &Instance) -> Vec<Question> {
        (1..1 << self.bits)
            .flat_map(|power| instance.facts().map(move |fact| self.power(fact[0], power)))
            .collect()
    }

    fn solve(&self, instance: &Instance) -> Box<dyn Solution> {
        // squares[j][x] = σ^(2^j)(x), IDK outside of the instance.
        let mut square = vec![IDK; self.shape().n_symbols];
        for fact in instance.facts() {
            square[usize::from(fact[0])] = fact[1];
        }
        let mut squares = vec![square];
        for j in 1..self.bits {
            let of = |x: Symbol| squares[j - 1][usize::from(x)];
            let next = (0..self.shape().n_symbols)
                .map(|x| of(of(x as Symbol)))
                .collect();
            squares.push(next);
        }
        Box::new(Powers {
            task: *self,
            squares,
        })
    }

    fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        _luck: Seed,
    ) -> Option<Answered<Symbol>> {
        let (element, power) = self.read(question)?;
        let fact = || instance.facts().find(|fact| fact[0] == element);
        match power {
            0 => Some(fact().map_or(Err(Unanswered::DontKnow), |fact| Ok(fact[0]))),
            1 => Some(fact().map_or(Err(Unanswered::DontKnow), |fact| Ok(fact[1]))),
            _ => None,
        }
    }

    fn next(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> Step<Question, Symbol> {
        let Some((mut at, power)) = self.read(question) else {
            return dont_know();
        };
        let mut told = Told::new(exchanges);
        let steps: &[u32] = match power {
            0 => return answer(at),
            1 => &[1],
            _ if power % 2 == 0 => &[power / 2, power / 2],
            _ => &[power / 2, power / 2, 1],
        };
        for &step in steps {
            match told.next() {
                None => return ask(self.power(at, step)),
                Some(element) if self.elements().contains(&element) => at = element,
                Some(_) => return dont_know(),
            }
        }
        answer(at)
    }

    fn is_question(&self, question: &Question) -> bool {
        self.read(question).is_some()
    }

    fn replies(&self, question: &Question) -> Vec<Symbol> {
        (self.read(question)).map_or(Vec::new(), |_| self.elements().collect())
    }

    fn symbol_in_words(&self, symbol: Symbol) -> String {
        match symbol {
            ZERO => "0".into(),
            ONE => "1".into(),
            _ => elements::name("e", &self.elements(), symbol)
                .unwrap_or_else(|| format!("#{symbol}")),
        }
    }

    fn question_in_words(&self, question: &Question) -> String {
        let Some((element, power)) = self.read(question) else {
            return String::new();
        };
        let element = self.symbol_in_words(element);
        match power {
            1 => format!("σ({element})"),
            _ => format!("σ^{power}({element})"),
        }
    }

    fn fact_in_words(&self, fact: &[Symbol]) -> String {
        let [from, to] = [fact[0], fact[1]].map(|symbol| self.symbol_in_words(symbol));
        format!("σ({from}) = {to}")
    }

    fn depth_in_words(&self, depth: u32) -> String {
        match depth {
            0 => "k = 1".into(),
            _ => format!("k of {} bits", depth + 1),
        }
    }
}

#[derive(Debug)]
struct Powers {
    task: PermutationPowering,
    squares: Vec<Vec<Symbol>>,
}

impl Solution for Powers {
    fn answer(&self, question: &Question) -> Option<Symbol> {
        let (element, power) = self.task.read(question)?;
        // Outside of the instance there is no σ, and no σ^0 either.
        (self.squares[0][usize::from(element)] != IDK).then_some(())?;
        let end = (self.squares.iter().enumerate())
            .filter(|(j, _)| power >> j & 1 == 1)
            .fold(element, |x, (_, square)| square[usize::from(x)]);
        (end != IDK).then_some(end)
    }

    fn depth(&self, question: &Question) -> Option<u32> {
        self.answer(question)?;
        let (_, power) = self.task.read(question)?;
        Some(power.checked_ilog2().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Solved, Task};

    const TASK: PermutationPowering = PermutationPowering {
        elements: 4,
        bits: 3,
    };

    /// A cycle: 3 → 4 → 5 → 6 → 3.
    fn cycle() -> Solved {
        let facts = vec![3, 4, 4, 5, 5, 6, 6, 3];
        Solved::new(Task::PermutationPowering(TASK), Instance::new(2, facts))
    }

    #[test]
    fn powers_of_a_cycle() {
        let solved = cycle();
        for power in 0..8 {
            let question = TASK.power(4, power);
            let by_hand = 3 + (1 + power as Symbol) % 4;
            assert_eq!(solved.answer(&question), Some(by_hand), "{power}");
        }
        assert_eq!(solved.depth(&TASK.power(3, 7)), Some(2));
        assert_eq!(solved.depth(&TASK.power(3, 1)), Some(0));
    }

    #[test]
    fn the_expert_asks_for_halves() {
        let told = |answers: &[(u32, Symbol)]| -> Vec<Exchange<Question, Symbol>> {
            let mut at = 3;
            let mut exchanges = Vec::new();
            for &(power, answer) in answers {
                let question = TASK.power(at, power);
                let answer = if answer == IDK {
                    Err(Unanswered::DontKnow)
                } else {
                    at = answer;
                    Ok(answer)
                };
                exchanges.push(Exchange { question, answer });
            }
            exchanges
        };
        let next = |power, answers: &[_]| TASK.next(&TASK.power(3, power), &told(answers));
        assert_eq!(next(5, &[]), ask(TASK.power(3, 2)));
        assert_eq!(next(5, &[(2, 5)]), ask(TASK.power(5, 2)));
        assert_eq!(next(5, &[(2, 5), (2, 3)]), ask(TASK.power(3, 1)));
        assert_eq!(next(5, &[(2, 5), (2, 3), (1, 4)]), answer(4));
        assert_eq!(next(4, &[(2, 5), (2, 3)]), answer(3));
        // No element, or no answer.
        assert_eq!(next(5, &[(2, ONE)]), dont_know());
        assert_eq!(next(5, &[(2, 5), (2, IDK)]), dont_know());
    }

    #[test]
    fn words() {
        assert_eq!(TASK.question_in_words(&TASK.power(3, 5)), "σ^5(e0)");
        assert_eq!(TASK.question_in_words(&TASK.power(4, 1)), "σ(e1)");
        assert_eq!(TASK.fact_in_words(&[3, 6]), "σ(e0) = e3");
        let task = Task::PermutationPowering(TASK);
        assert_eq!(
            task.question_in_words(&Question::new(&[1, 2, 9])),
            "[0 1 #9]"
        );
    }

    #[test]
    fn sizes_are_checked() {
        let at = |elements, bits| PermutationPowering { elements, bits }.check();
        assert_eq!(at(64, 6), Ok(()));
        assert_eq!(at(65, 6).unwrap_err().key, "elements");
        assert_eq!(at(64, 1).unwrap_err().key, "bits");
    }
}
