//! Arithmetic expressions as questions, their exact answers, and what any question about an expression comes to.
//!
//! ```text
//! What is ((3 + 4) × 2) − (5 × 6)?        level 3: an operation in an operation in an operation
//! ```
//!
//! Drawn from a seed: whole numbers from 1 to 9, `+`, `−` and `×`; one operand of an expression of level n has level n − 1, the other
//! any level below n. Values lie between −9,999 and 9,999. [`answer_of`] reads more than is drawn: `*` and `-`, no brackets where
//! `×` binds closer, signs, larger numbers, and a few ways to ask.

use std::collections::HashSet;
use std::fmt;

use trimtab_core::{Problem, ProblemKey, SampleId, Seed, SplitMix64};

/// Levels that are drawn, in turn.
pub const LEVELS: u32 = 4;

const NUMBERS: [i64; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

const MOST_VALUE: i64 = 9999;

/// Brackets inside brackets beyond which nothing is read.
const MOST_BRACKETS: u32 = 64;

/// Two operands or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A whole number.
    Number(i64),
    /// An operation.
    Of(Operator, Box<Expression>, Box<Expression>),
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`
    Plus,
    /// `−`
    Minus,
    /// `×`
    Times,
}

impl Operator {
    const ALL: [Self; 3] = [Self::Plus, Self::Minus, Self::Times];

    fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '−',
            Self::Times => '×',
        }
    }

    fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Plus => left.checked_add(right),
            Self::Minus => left.checked_sub(right),
            Self::Times => left.checked_mul(right),
        }
    }
}

impl Expression {
    /// One of `level`, with a value within bounds.
    pub fn draw(level: u32, draws: &mut SplitMix64) -> Self {
        loop {
            let drawn = Self::any(level, draws);
            if drawn.value().is_some_and(|value| value.abs() <= MOST_VALUE) {
                return drawn;
            }
        }
    }

    fn any(level: u32, draws: &mut SplitMix64) -> Self {
        let Some(below) = level.checked_sub(1) else {
            return Self::Number(NUMBERS[draws.below(NUMBERS.len())]);
        };
        let operator = Operator::ALL[draws.below(3)];
        let deep = Self::any(below, draws);
        let other = Self::any(draws.below(level as usize) as u32, draws);
        let (left, right) = if draws.below(2) == 0 {
            (deep, other)
        } else {
            (other, deep)
        };
        Self::Of(operator, Box::new(left), Box::new(right))
    }

    /// Its value; none where that does not fit 64 bits.
    pub fn value(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Of(operator, left, right) => operator.apply(left.value()?, right.value()?),
        }
    }

    /// Operations one inside another; 0 for a number.
    pub fn level(&self) -> u32 {
        match self {
            Self::Number(_) => 0,
            Self::Of(_, left, right) => 1 + left.level().max(right.level()),
        }
    }

    /// Reads an expression, if that is all that `text` is.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser {
            rest: text,
            brackets: 0,
        };
        let expression = parser.sum()?;
        parser.rest.trim().is_empty().then_some(expression)
    }
}

impl fmt::Display for Expression {
    /// Brackets around every operand that is no number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operand = |f: &mut fmt::Formatter<'_>, operand: &Self| match operand {
            Self::Number(number) => write!(f, "{number}"),
            Self::Of(..) => write!(f, "({operand})"),
        };
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Of(operator, left, right) => {
                operand(f, left)?;
                write!(f, " {} ", operator.sign())?;
                operand(f, right)
            }
        }
    }
}

/// ```text
/// sum      = product { (+ | −) product }
/// product  = factor { × factor }
/// factor   = − factor | number | ( sum )
/// ```
struct Parser<'t> {
    rest: &'t str,
    brackets: u32,
}

impl Parser<'_> {
    fn takes(&mut self, signs: &[char]) -> bool {
        match self.rest.trim_start().strip_prefix(signs) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Option<Expression> {
        let mut sum = self.product()?;
        loop {
            let operator = if self.takes(&['+']) {
                Operator::Plus
            } else if self.takes(&['−', '-', '–']) {
                Operator::Minus
            } else {
                return Some(sum);
            };
            sum = Expression::Of(operator, Box::new(sum), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Option<Expression> {
        let mut product = self.factor()?;
        while self.takes(&['×', '*', '·']) {
            product = Expression::Of(Operator::Times, Box::new(product), Box::new(self.factor()?));
        }
        Some(product)
    }

    fn factor(&mut self) -> Option<Expression> {
        self.brackets += 1;
        if self.brackets > MOST_BRACKETS {
            return None;
        }
        let factor = if self.takes(&['−', '-', '–']) {
            match self.factor()? {
                Expression::Number(number) => Expression::Number(number.checked_neg()?),
                of @ Expression::Of(..) => Expression::Of(
                    Operator::Minus,
                    Box::new(Expression::Number(0)),
                    Box::new(of),
                ),
            }
        } else if self.takes(&['(']) {
            let inside = self.sum()?;
            if !self.takes(&[')']) {
                return None;
            }
            inside
        } else {
            self.number()?
        };
        self.brackets -= 1;
        Some(factor)
    }

    fn number(&mut self) -> Option<Expression> {
        let text = self.rest.trim_start();
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        self.rest = rest;
        digits.parse().ok().map(Expression::Number)
    }
}

/// What a question about an expression comes to; none where it is no such question.
pub fn answer_of(question: &str) -> Option<String> {
    let question = question.trim();
    let lower = question.to_ascii_lowercase();
    let asked = [
        "what is the value of ",
        "what is the result of ",
        "what is ",
        "what's ",
        "how much is ",
        "calculate ",
        "compute ",
        "evaluate ",
    ]
    .into_iter()
    .find(|asked| lower.starts_with(asked))?;
    let expression = question[asked.len()..].trim_end_matches(['?', '.', '=', ':', ' ']);
    Some(Expression::parse(expression)?.value()?.to_string())
}

/// `n` questions, of levels 1 to [`LEVELS`] in turn, no two alike; and their answers.
///
/// # Panics
///
/// When `n` is so large that no expression is left of level 1, of which there are 243.
pub fn problems(n: usize, seed: Seed) -> (Vec<Problem>, ProblemKey) {
    let mut problems = Vec::with_capacity(n);
    let mut answers = Vec::with_capacity(n);
    let mut seen = HashSet::new();
    for i in 0..n {
        let level = 1 + i as u32 % LEVELS;
        let id = format!("expression-{i}");
        let mut draws = seed.child(&id).stream();
        let drawn = (0..100_000).find_map(|_| {
            let drawn = Expression::draw(level, &mut draws);
            seen.insert(drawn.to_string()).then_some(drawn)
        });
        let drawn = drawn.expect("an expression that is not there yet");
        let value = drawn.value().expect("drawn within bounds");
        let id = SampleId::from(id);
        answers.push((id.clone(), value.to_string().into()));
        problems.push(Problem {
            id,
            text: format!("What is {drawn}?").into(),
            level: Some(level),
        });
    }
    let key = ProblemKey::new(answers).expect("ids differ by their numbers");
    (problems, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Works out the innermost brackets first, in the text itself.
    fn slow_value(text: &str) -> i64 {
        let mut text = text.to_owned();
        loop {
            let open = text.rfind('(');
            let (start, end) = match open {
                Some(open) => (open, open + text[open..].find(')').unwrap() + 1),
                None => (0, text.len()),
            };
            let inside = text[start..end].trim_matches(['(', ')']).to_owned();
            let words: Vec<&str> = inside.split(' ').collect();
            let number = |i: usize| words[i].parse::<i64>().unwrap();
            let value = match words[..] {
                [_] => number(0),
                [_, "+", _] => number(0) + number(2),
                [_, "−", _] => number(0) - number(2),
                [_, "×", _] => number(0) * number(2),
                _ => unreachable!("{inside}"),
            };
            if open.is_none() {
                return value;
            }
            text.replace_range(start..end, &value.to_string());
        }
    }

    #[test]
    fn questions_are_read_however_they_are_put() {
        for (question, answer) in [
            ("What is 3 + 4 × 2?", "11"),
            ("What is (3 + 4) * 2?", "14"),
            ("what is 10 - 3 - 2", "5"),
            ("Compute 2*3*4.", "24"),
            ("How much is −3 × (4 − 6)?", "6"),
            ("What is the value of -(2 + 3) =", "-5"),
            ("Calculate: 7", "none"),
            ("Calculate 7", "7"),
            ("What is 3 +?", "none"),
            ("What is (3 + 4?", "none"),
            ("What is 3 + 4 apples?", "none"),
            ("What is a duck?", "none"),
            ("3 + 4", "none"),
            ("What is 9999999999 × 9999999999?", "none"),
            ("What is 99999999999999999999?", "none"),
        ] {
            let got = answer_of(question).unwrap_or_else(|| "none".into());
            assert_eq!(got, answer, "{question:?}");
        }
        let deep = format!("What is {}1{}?", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(answer_of(&deep), None);
    }

    #[test]
    fn problems_are_of_every_level_and_all_different() {
        let (problems, key) = problems(400, Seed(0));
        let texts: HashSet<&str> = problems.iter().map(|problem| &*problem.text).collect();
        assert_eq!(texts.len(), 400);
        for (i, problem) in problems.iter().enumerate() {
            assert_eq!(problem.level, Some(1 + i as u32 % 4));
            let answer = key.answer(&problem.id).unwrap();
            assert_eq!(answer_of(&problem.text).as_deref(), Some(answer));
        }
        // The first ones are the same in a longer set.
        let (few, _) = super::problems(8, Seed(0));
        assert_eq!(few, problems[..8]);
        let (others, _) = super::problems(8, Seed(1));
        assert_ne!(others, few);
    }

    proptest! {
        #[test]
        fn values_are_those_of_the_slow_way(seed: u64, level in 0..6_u32) {
            let drawn = Expression::draw(level, &mut Seed(seed).stream());
            let text = drawn.to_string();
            let value = drawn.value().unwrap();
            prop_assert_eq!(value, slow_value(&text));
            prop_assert!(value.abs() <= MOST_VALUE);
            prop_assert_eq!(drawn.level(), level);
            prop_assert_eq!(Expression::parse(&text), Some(drawn));
        }

        #[test]
        fn whatever_is_asked_has_an_answer_or_none(text in "(What is )?[-0-9+×*()−. a?]{0,24}") {
            let _either = answer_of(&text);
        }
    }
}
