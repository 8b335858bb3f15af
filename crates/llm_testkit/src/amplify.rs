//! An expert and an assistant in one, who know the answer tree of arithmetic expressions: so that what amplification comes to is
//! known in advance.
//!
//! The expert splits an expression into its two operands, asks about those that are no numbers, and works out what they come to. The
//! assistant is right about `3 + 4`, and wrong about a share of what is nested. Some replies break form. All of it is drawn by the
//! seed and the question, so that the same question is answered in the same way wherever it is asked. Of word problems, both guess.

use trimtab_core::Seed;
use trimtab_core::chat::{Answer, Ask, Finish, Reply, Request, Usage};

use crate::request_view::RequestView;
use crate::script::Scripted;
use crate::scripted_model::{ScriptedModel, option_scores};

/// How an expert and an assistant behave: shares of questions, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AmplifyScript {
    /// What shares are drawn from.
    pub seed: Seed,
    /// The assistant is wrong, where there is an expression in an expression.
    pub nested_errors: f64,
    /// The assistant does not know.
    pub not_known: f64,
    /// The expert works out what is wrong by one.
    pub compose_errors: f64,
    /// The expert asks the question itself.
    pub loops: f64,
    /// The expert says nothing.
    pub nothing: f64,
    /// The expert says something that is neither a question nor an answer.
    pub formless: f64,
    /// The expert asks much that nobody needs, behind what it needs.
    pub too_many: f64,
    /// Either declines.
    pub refusals: f64,
}

impl AmplifyScript {
    /// Nobody errs but the assistant, on this share of nested expressions.
    pub fn with_errors(nested_errors: f64) -> Self {
        Self {
            seed: Seed(0),
            nested_errors,
            not_known: 0.0,
            compose_errors: 0.0,
            loops: 0.0,
            nothing: 0.0,
            formless: 0.0,
            too_many: 0.0,
            refusals: 0.0,
        }
    }

    /// Half of nested expressions are got wrong, and of everything else there is a little.
    pub fn with_everything() -> Self {
        let little = 0.02;
        Self {
            not_known: little,
            compose_errors: little,
            loops: little,
            nothing: little,
            formless: little,
            too_many: little,
            refusals: little,
            ..Self::with_errors(0.5)
        }
    }

    /// A model of this process that behaves so; it counts a token a word.
    pub fn model(self, name: &str) -> ScriptedModel {
        ScriptedModel::new(name, move |request: &Request| {
            let asked = request.messages.last().map_or("", |last| &last.content);
            let usage = |said: &str| Usage {
                input_tokens: asked.split_whitespace().count() as u64,
                output_tokens: said.split_whitespace().count() as u64,
                ..Usage::default()
            };
            if let Ask::Options(options) = &request.ask {
                let chosen = choose(asked);
                let probabilities: Vec<f64> = (options.texts.iter())
                    .map(|text| p_of(chosen == Some(text.as_str()), options.texts.len()))
                    .collect();
                let mut answer = option_scores(&probabilities);
                if let Answer::Options(scores) = &mut answer {
                    scores.usage = usage("A");
                }
                return Ok(answer);
            }
            let Line { text, refused } = self.reply(asked);
            Ok(Answer::Reply(Reply {
                usage: usage(&text),
                finish: if refused {
                    Finish::Refused
                } else {
                    Finish::Stop
                },
                text,
                tokens: Vec::new(),
            }))
        })
    }

    /// What is said to `asked`.
    fn reply(&self, asked: &str) -> Line {
        let question = between(asked, "<question>\n", "\n</question>");
        if self.draws("refuses", self.refusals, question) {
            return Line {
                text: "I would rather not say.".into(),
                refused: true,
            };
        }
        let text = if asked.contains("split it into smaller questions") {
            self.broken(question)
                .unwrap_or_else(|| self.many(question, decompose(question)))
        } else if asked.contains("Ask a smaller question next") {
            self.broken(question)
                .unwrap_or_else(|| self.next(asked, question))
        } else if asked.contains("Answer the question now") {
            self.compose(asked, question)
        } else {
            self.answer(question)
        };
        Line {
            text,
            refused: false,
        }
    }

    fn draws(&self, what: &str, share: f64, question: &str) -> bool {
        self.stream(what, question).next_f64() < share
    }

    fn stream(&self, what: &str, question: &str) -> trimtab_core::SplitMix64 {
        self.seed.child(what).child(question).stream()
    }

    /// A reply that breaks form, where one is drawn.
    fn broken(&self, question: &str) -> Option<String> {
        if self.draws("loops", self.loops, question) {
            return Some(format!("Question: {}", question.to_uppercase()));
        }
        if self.draws("nothing", self.nothing, question) {
            return Some(String::new());
        }
        (self.draws("formless", self.formless, question)).then(|| "Hm. That is a hard one.".into())
    }

    fn many(&self, question: &str, reply: String) -> String {
        if !self.draws("too many", self.too_many, question) || reply.starts_with("Answer") {
            return reply;
        }
        let more: Vec<String> = (0..100)
            .map(|i| format!("Question: What is {i} + {i}?"))
            .collect();
        format!("{reply}\n{}", more.join("\n"))
    }

    fn next(&self, asked: &str, question: &str) -> String {
        let open = decompose(question);
        if open.starts_with("Answer") {
            return open;
        }
        let known = exchanges(asked);
        let next = (open.lines())
            .find(|line| !known.iter().any(|(q, _)| line.ends_with(&format!(": {q}"))));
        next.map_or_else(|| self.compose(asked, question), str::to_owned)
    }

    fn compose(&self, asked: &str, question: &str) -> String {
        let error = i64::from(self.draws("compose errors", self.compose_errors, question));
        composed(asked, question).map_or_else(
            || "Answer: not known".into(),
            |value| format!("It fits together.\nAnswer: {}", value + error),
        )
    }

    fn answer(&self, question: &str) -> String {
        if self.draws("not known", self.not_known, question) {
            return "Answer: not known".into();
        }
        let Some(expression) = Expression::of(question) else {
            let number = numbers(question).last().copied().unwrap_or_default();
            return format!("I guess.\nAnswer: {number}");
        };
        let Some(value) = expression.value() else {
            return "Answer: not known".into();
        };
        let mut error = 0;
        if expression.is_nested() && self.draws("nested errors", self.nested_errors, question) {
            error = [1, 2, 3, 10, -1, -10][self.stream("by how much", question).below(6)];
        }
        format!("Answer: {}", value + error)
    }
}

/// Plays either, by what is asked: half of nested expressions are got wrong, and of everything else there is a little.
pub fn amplify(request: &RequestView) -> Scripted {
    let asked = request.last_message();
    if asked.contains("Answer with the letter alone") {
        let options = options(asked);
        let chosen = choose(asked);
        let shares: Vec<(&str, f64)> = (options.iter())
            .map(|(letter, _)| (*letter, p_of(chosen == Some(*letter), options.len())))
            .collect();
        return Scripted::tokens(&[&shares]);
    }
    let Line { text, refused } = AmplifyScript::with_everything().reply(asked);
    let said = Scripted::text(text);
    if refused {
        said.finish("content_filter")
    } else {
        said
    }
}

struct Line {
    text: String,
    refused: bool,
}

/// Sub-questions on the operands that are no numbers; where there are none, the answer.
fn decompose(question: &str) -> String {
    let Some(expression) = Expression::of(question) else {
        let asked: Vec<String> = (question.split_inclusive(['.', '?', '!']))
            .map(str::trim)
            .filter(|sentence| sentence.contains(|c: char| c.is_ascii_digit()))
            .take(3)
            .map(|sentence| format!("Question: Which number is told of here? {sentence}"))
            .collect();
        if asked.is_empty() {
            return "Answer: 0".into();
        }
        return asked.join("\n");
    };
    let asked: Vec<String> = (expression.operands().into_iter().flatten())
        .filter(|operand| matches!(operand, Expression::Of(..)))
        .map(|operand| format!("Question: What is {operand}?"))
        .collect();
    match expression.value() {
        Some(value) if asked.is_empty() => format!("Answer: {value}"),
        _ => asked.join("\n"),
    }
}

/// What the question comes to, from what its sub-questions came to.
fn composed(asked: &str, question: &str) -> Option<i64> {
    let known = exchanges(asked);
    let Some(expression) = Expression::of(question) else {
        // A guess: as good as any.
        return Some(
            known
                .iter()
                .filter_map(|(_, answer)| answer.parse::<i64>().ok())
                .sum(),
        );
    };
    let worth = |operand: &Expression| match operand {
        Expression::Number(number) => Some(*number),
        Expression::Of(..) => {
            let asked = format!("What is {operand}?");
            let (_, answer) = known.iter().find(|(question, _)| *question == asked)?;
            answer.parse().ok()
        }
    };
    match &expression {
        Expression::Number(number) => Some(*number),
        Expression::Of(operator, left, right) => operator.apply(worth(left)?, worth(right)?),
    }
}

/// The letter of the option that the question comes to.
fn choose(asked: &str) -> Option<&str> {
    let question = between(asked, "<question>\n", "\n</question>");
    let found = between(asked, "<answer>\n", "\n</answer>");
    let value = (found.rsplit("Answer: ").next())
        .filter(|found| !found.is_empty())
        .map(str::to_owned)
        .or_else(|| composed(asked, question).map(|value| value.to_string()))?;
    (options(asked).into_iter()).find_map(|(letter, text)| (text == value).then_some(letter))
}

/// Lines of one capital, a stop and a text.
fn options(asked: &str) -> Vec<(&str, &str)> {
    let after = asked
        .rsplit_once("Which of these is the answer")
        .map_or("", |(_, after)| after);
    (after.lines().filter_map(|line| line.split_once(". ")))
        .filter(|(letter, _)| letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_uppercase()))
        .collect()
}

fn p_of(is_chosen: bool, n: usize) -> f64 {
    if is_chosen {
        0.9
    } else {
        0.09 / n.max(2) as f64
    }
}

/// What was asked, and what it came to.
fn exchanges(asked: &str) -> Vec<(&str, &str)> {
    (asked.split("<asked>\n").skip(1))
        .map(|part| {
            let question = part
                .split_once("\n</asked>")
                .map_or(part, |(question, _)| question);
            (question, between(part, "<came_to>\n", "\n</came_to>"))
        })
        .collect()
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> &'t str {
    let from = text.split_once(open).map_or("", |(_, rest)| rest);
    from.split_once(close).map_or(from, |(inside, _)| inside)
}

fn numbers(text: &str) -> Vec<i64> {
    (text.split(|c: char| !c.is_ascii_digit()))
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// An arithmetic expression.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Number(i64),
    Of(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Plus,
    Minus,
    Times,
}

impl Operator {
    fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Plus => left.checked_add(right),
            Self::Minus => left.checked_sub(right),
            Self::Times => left.checked_mul(right),
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Plus => '+',
            Self::Minus => '−',
            Self::Times => '×',
        }
    }
}

impl Expression {
    /// The expression that a question asks about.
    fn of(question: &str) -> Option<Self> {
        let inside = question
            .trim()
            .strip_prefix("What is ")?
            .strip_suffix('?')?;
        let spaced = inside.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut at = 0;
        let expression = Self::parse(&words, &mut at)?;
        (at == words.len()).then_some(expression)
    }

    /// `operand`, or `operand operator operand`: brackets stand around whatever is inside another.
    fn parse(words: &[&str], at: &mut usize) -> Option<Self> {
        let left = Self::operand(words, at)?;
        let operator = match words.get(*at).copied() {
            Some("+") => Operator::Plus,
            Some("−") => Operator::Minus,
            Some("×") => Operator::Times,
            _ => return Some(left),
        };
        *at += 1;
        let right = Self::operand(words, at)?;
        Some(Self::Of(operator, Box::new(left), Box::new(right)))
    }

    fn operand(words: &[&str], at: &mut usize) -> Option<Self> {
        let word = *words.get(*at)?;
        *at += 1;
        if word != "(" {
            return word.parse().ok().map(Self::Number);
        }
        let inside = Self::parse(words, at)?;
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        closed.then_some(inside)
    }

    fn operands(&self) -> Option<[&Self; 2]> {
        match self {
            Self::Number(_) => None,
            Self::Of(_, left, right) => Some([left, right]),
        }
    }

    fn is_nested(&self) -> bool {
        let inside = self.operands().into_iter().flatten();
        inside
            .into_iter()
            .any(|operand| operand.operands().is_some())
    }

    fn value(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Of(operator, left, right) => operator.apply(left.value()?, right.value()?),
        }
    }
}

impl std::fmt::Display for Expression {
    /// Without brackets around all of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let operand = |f: &mut std::fmt::Formatter<'_>, operand: &Self| match operand {
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

/// What an expression in a question comes to, for tests that hold no key; none where it is no question of these.
pub fn value_of(question: &str) -> Option<i64> {
    Expression::of(question)?.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(task: &str, question: &str, exchanges: &[(&str, &str)]) -> String {
        let exchanges: Vec<String> = (exchanges.iter())
            .map(|(q, a)| format!("<asked>\n{q}\n</asked>\n<came_to>\n{a}\n</came_to>"))
            .collect();
        let exchanges = exchanges.join("\n\n");
        format!("<question>\n{question}\n</question>\n\n{exchanges}\n\n{task}")
    }

    const QUESTION: &str = "What is ((3 + 4) × 2) − (5 × 6)?";

    #[test]
    fn the_tree_is_known() {
        let script = AmplifyScript::with_errors(0.0);
        let split = "Now split it into smaller questions";
        let reply = script.reply(&asked(split, QUESTION, &[])).text;
        assert_eq!(
            reply,
            "Question: What is (3 + 4) × 2?\nQuestion: What is 5 × 6?"
        );
        let reply = script.reply(&asked(split, "What is 5 × 6?", &[])).text;
        assert_eq!(reply, "Answer: 30");
        let first = ("What is (3 + 4) × 2?", "14");
        let reply = script
            .reply(&asked("Ask a smaller question next", QUESTION, &[first]))
            .text;
        assert_eq!(reply, "Question: What is 5 × 6?");
        let all = [first, ("What is 5 × 6?", "30")];
        for task in ["Ask a smaller question next", "Answer the question now."] {
            let reply = script.reply(&asked(task, QUESTION, &all)).text;
            assert_eq!(reply, "It fits together.\nAnswer: -16");
        }
        let unknown = [first, ("What is 5 × 6?", "(not known)")];
        let reply = script
            .reply(&asked("Answer the question now.", QUESTION, &unknown))
            .text;
        assert_eq!(reply, "Answer: not known");
    }

    #[test]
    fn the_assistant_errs_on_what_is_nested_alone() {
        let script = AmplifyScript::with_errors(1.0);
        let reply = |question: &str| {
            script
                .reply(&asked("Answer the question", question, &[]))
                .text
        };
        assert_eq!(reply("What is 3 − 14?"), "Answer: -11");
        assert_ne!(reply(QUESTION), "Answer: -16");
        let right = AmplifyScript::with_errors(0.0)
            .reply(&asked("", QUESTION, &[]))
            .text;
        assert_eq!(right, "Answer: -16");
        assert_eq!(value_of(QUESTION), Some(-16));
    }

    #[test]
    fn a_letter_is_chosen_by_what_was_found() {
        let task = "Which of these is the answer to the question?\n\nA. 30\nB. -16\n\nAnswer with the letter alone.";
        let known = [("What is (3 + 4) × 2?", "14"), ("What is 5 × 6?", "30")];
        assert_eq!(choose(&asked(task, QUESTION, &known)), Some("B"));
        assert_eq!(choose(&asked(task, QUESTION, &[])), None);
    }
}
