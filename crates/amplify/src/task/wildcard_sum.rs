//! Wildcard search: the sum over all strings that fit a pattern.
//!
//! ```text
//! facts      a string of bits, and +1 or −1
//! question   a pattern of 0, 1 and *
//! expert     the first * as 0; the first * as 1; add
//! fact       a pattern without *: its string's number, 0 where there is no such string
//! depth      how many *
//! ```
//!
//! Symbols: `?`, `*`, 0, 1, then numbers from −2^(bits − 1) to 2^(bits − 1), where sums end. Only the pattern of nothing but `*`
//! can reach beyond them, so a sum that ends there is the same from its halves. The paper has 6 bits.
//! Differs from the paper: of what is no pattern the expert says "I don't know", not 0.

use std::ops::RangeInclusive;

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

const WILD: Symbol = 1;
const ZERO: Symbol = 2;
const ONE: Symbol = 3;
const NUMBERS: Symbol = 4;
const FEWEST: usize = 8;

/// Sizes of wildcard search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WildcardSum {
    /// Bits of a string, 2 to 6. The first instances have 8 strings (or all, if there are fewer).
    pub bits: usize,
}

impl Default for WildcardSum {
    fn default() -> Self {
        Self { bits: 5 }
    }
}

impl WildcardSum {
    /// The largest sum.
    fn most(self) -> i32 {
        1 << (self.bits - 1)
    }

    fn numbers(self) -> RangeInclusive<Symbol> {
        self.symbol(-self.most())..=self.symbol(self.most())
    }

    /// The symbol of a number; of what is beyond the last number, that one.
    pub fn symbol(self, number: i32) -> Symbol {
        let most = self.most();
        NUMBERS + (number.clamp(-most, most) + most) as Symbol
    }

    /// The number of a symbol.
    pub fn number(self, symbol: Symbol) -> Option<i32> {
        (self.numbers().contains(&symbol)).then(|| i32::from(symbol - NUMBERS) - self.most())
    }

    /// A pattern in people's writing (`01*0**`); `None` where it has another length or other signs.
    pub fn pattern(self, text: &str) -> Option<Question> {
        let symbols: Option<Vec<Symbol>> = (text.chars())
            .map(|sign| match sign {
                '*' => Some(WILD),
                '0' => Some(ZERO),
                '1' => Some(ONE),
                _ => None,
            })
            .collect();
        symbols
            .filter(|symbols| symbols.len() == self.bits)
            .map(|symbols| Question::new(&symbols))
    }

    fn n_wild(question: &Question) -> usize {
        let signs = question.symbols().iter();
        signs.map(|&sign| usize::from(sign == WILD)).sum()
    }

    /// A string of these bits, high bit first.
    fn string(self, number: usize) -> Vec<Symbol> {
        (0..self.bits)
            .rev()
            .map(|bit| if number >> bit & 1 == 1 { ONE } else { ZERO })
            .collect()
    }
}

fn fits(pattern: &[Symbol], string: &[Symbol]) -> bool {
    (pattern.iter().zip(string)).all(|(&sign, &bit)| sign == WILD || sign == bit)
}

impl Rules for WildcardSum {
    fn check(&self) -> Result<(), ConfigError> {
        require("bits", self.bits, (2..=6).contains(&self.bits), "2 to 6")
    }

    fn shape(&self) -> Shape {
        Shape {
            n_symbols: usize::from(*self.numbers().end()) + 1,
            fact_fields: self.bits + 1,
            question_fields: self.bits,
            interaction_length: 2,
        }
    }

    fn play(&self) -> Play {
        Play {
            fewest: FEWEST,
            all: 1 << self.bits,
            repeats: Repeats::Refuse,
            draws: Draws::ByDepth,
        }
    }

    fn draw(&self, in_play: usize, seed: Seed) -> Instance {
        let strings = elements::choose(0..1 << self.bits, in_play, seed.child("strings"));
        let mut stream = seed.child("numbers").stream();
        let facts = (strings.into_iter())
            .flat_map(|string| {
                let mut fact = self.string(usize::from(string));
                fact.push(self.symbol(if stream.below(2) == 0 { -1 } else { 1 }));
                fact
            })
            .collect();
        Instance::new(self.bits + 1, facts)
    }

    fn questions(&self, _instance: &Instance) -> Vec<Question> {
        let n = 3_usize.pow(self.bits as u32);
        (0..n)
            .map(|mut number| {
                let mut symbols = [IDK; MOST_FIELDS];
                for symbol in &mut symbols[..self.bits] {
                    *symbol = WILD + (number % 3) as Symbol;
                    number /= 3;
                }
                Question::new(&symbols[..self.bits])
            })
            .collect()
    }

    fn solve(&self, instance: &Instance) -> Box<dyn Solution> {
        Box::new(Sums {
            task: *self,
            instance: instance.clone(),
        })
    }

    fn look_up(
        &self,
        instance: &Instance,
        question: &Question,
        _luck: Seed,
    ) -> Option<Answered<Symbol>> {
        if Self::n_wild(question) > 0 {
            return None;
        }
        let fact = (instance.facts()).find(|fact| fact[..self.bits] == *question.symbols());
        Some(Ok(fact.map_or(self.symbol(0), |fact| fact[self.bits])))
    }

    fn next(
        &self,
        question: &Question,
        exchanges: &[Exchange<Question, Symbol>],
    ) -> Step<Question, Symbol> {
        let mut told = Told::new(exchanges);
        let wild = (question.symbols().iter()).position(|&symbol| symbol == WILD);
        let Some(wild) = wild else {
            return match told.next() {
                None => ask(*question),
                Some(said) if self.number(said).is_some() => answer(said),
                Some(_) => dont_know(),
            };
        };
        let mut sum = 0;
        for bit in [ZERO, ONE] {
            let Some(said) = told.next() else {
                let mut half = [IDK; MOST_FIELDS];
                half[..self.bits].copy_from_slice(question.symbols());
                half[wild] = bit;
                return ask(Question::new(&half[..self.bits]));
            };
            let Some(number) = self.number(said) else {
                return dont_know();
            };
            sum += number;
        }
        answer(self.symbol(sum))
    }

    fn is_question(&self, question: &Question) -> bool {
        let symbols = question.symbols();
        let sign = |symbol: &Symbol| [WILD, ZERO, ONE].contains(symbol);
        symbols.len() == self.bits && symbols.iter().all(sign)
    }

    fn replies(&self, _question: &Question) -> Vec<Symbol> {
        self.numbers().collect()
    }

    fn symbol_in_words(&self, symbol: Symbol) -> String {
        match symbol {
            WILD => "*".into(),
            ZERO => "0".into(),
            ONE => "1".into(),
            _ => (self.number(symbol)).map_or_else(
                || format!("#{symbol}"),
                |number| {
                    let sign = if number < 0 { "−" } else { "+" };
                    format!("{sign}{}", number.abs())
                },
            ),
        }
    }

    fn question_in_words(&self, question: &Question) -> String {
        (question.symbols().iter())
            .map(|&symbol| self.symbol_in_words(symbol))
            .collect()
    }

    fn fact_in_words(&self, fact: &[Symbol]) -> String {
        let (number, string) = fact.split_last().unwrap_or((&IDK, &[]));
        let string: String = string
            .iter()
            .map(|&bit| self.symbol_in_words(bit))
            .collect();
        format!("{string} {}", self.symbol_in_words(*number))
    }

    fn depth_in_words(&self, depth: u32) -> String {
        match depth {
            1 => "1 wildcard".into(),
            _ => format!("{depth} wildcards"),
        }
    }
}

#[derive(Debug)]
struct Sums {
    task: WildcardSum,
    instance: Instance,
}

impl Solution for Sums {
    fn answer(&self, question: &Question) -> Option<Symbol> {
        let sum = (self.instance.facts())
            .filter(|fact| fits(question.symbols(), fact))
            .filter_map(|fact| self.task.number(fact[self.task.bits]))
            .sum();
        Some(self.task.symbol(sum))
    }

    fn depth(&self, question: &Question) -> Option<u32> {
        Some(WildcardSum::n_wild(question) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Solved, Task};

    const TASK: WildcardSum = WildcardSum { bits: 3 };

    fn solved(facts: &[(&str, i32)]) -> Solved {
        let facts = (facts.iter())
            .flat_map(|&(string, number)| {
                let mut fact = TASK.pattern(string).unwrap().symbols().to_vec();
                fact.push(TASK.symbol(number));
                fact
            })
            .collect();
        Solved::new(Task::WildcardSum(TASK), Instance::new(4, facts))
    }

    #[test]
    fn sums_by_hand() {
        let solved = solved(&[
            ("000", 1),
            ("001", 1),
            ("011", -1),
            ("110", -1),
            ("111", -1),
        ]);
        let sum = |text| {
            let question = TASK.pattern(text).unwrap();
            TASK.number(solved.answer(&question).unwrap()).unwrap()
        };
        assert_eq!(sum("00*"), 2);
        assert_eq!(sum("0**"), 1);
        assert_eq!(sum("***"), -1);
        assert_eq!(sum("10*"), 0);
        assert_eq!(sum("110"), -1);
    }

    #[test]
    fn the_sum_of_everything_ends_where_numbers_end() {
        let strings = ["000", "001", "010", "011", "100", "101", "110", "111"];
        let solved = solved(&strings.map(|string| (string, 1)));
        let all = TASK.pattern("***").unwrap();
        assert_eq!(
            solved.answer(&all).and_then(|sum| TASK.number(sum)),
            Some(4)
        );
    }

    #[test]
    fn words() {
        let question = TASK.pattern("0*1").unwrap();
        assert_eq!(TASK.question_in_words(&question), "0*1");
        assert_eq!(TASK.pattern("0*"), None);
        assert_eq!(TASK.pattern("0*x"), None);
        let fact = [ZERO, ONE, ONE, TASK.symbol(-1)];
        assert_eq!(TASK.fact_in_words(&fact), "011 −1");
        assert_eq!(TASK.symbol_in_words(TASK.symbol(2)), "+2");
    }
}
