//! The number that an answer says, exactly: a fraction of whole numbers, never a float.
//!
//! ```text
//! 18   18.50   .5   −3   -$1,234.50   $70,000   50%   3/4   1 1/2   1½   \frac{3}{4}   1.5e3   (3 + 4) × 2 = 14
//! ```
//!
//! Read is what follows the last `=`, and of that the first number, so that units and remarks may stand after it; a per cent sign
//! changes nothing. Unreadable is what leaves open which number is meant: a sum that is not worked out (`2 × 3`), a range or a
//! choice (`3–4`, `3 or 4`, `3, 4`), digits between commas that are no thousands (`3,14`), and what has more than 30 digits.

use std::fmt;

/// The most digits of a number, and the largest exponent.
const MOST_DIGITS: usize = 30;

/// An exact number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// In lowest terms.
    numerator: i128,
    /// Above 0.
    denominator: i128,
}

impl Number {
    /// A whole number.
    pub fn whole(number: i128) -> Self {
        Self {
            numerator: number,
            denominator: 1,
        }
    }

    /// A fraction; none where it is of nothing, or too large to be held.
    pub fn ratio(numerator: i128, denominator: i128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let divisor =
            i128::try_from(gcd(numerator.unsigned_abs(), denominator.unsigned_abs())).ok()?;
        let sign = denominator.signum();
        Some(Self {
            numerator: (numerator / divisor).checked_mul(sign)?,
            denominator: (denominator / divisor).checked_mul(sign)?,
        })
    }

    /// The number that `text` says, whatever stands around it.
    pub fn find(text: &str) -> Option<Self> {
        let text = plain(text);
        let text = after_equals(&text);
        let (before, from) = first_number(text)?;
        let (number, rest) = magnitude(from)?;
        if goes_on(rest) {
            return None;
        }
        if is_negated(before) {
            number.negated()
        } else {
            Some(number)
        }
    }

    /// The number that `text` is, with a sign, a currency, a per cent sign and a stop at most.
    pub fn alone(text: &str) -> Option<Self> {
        let text = plain(text.trim());
        let (before, from) = first_number(&text)?;
        let (number, rest) = magnitude(from)?;
        let before = before.trim_start();
        let before = before.trim_matches(is_currency);
        let rest = rest.trim().trim_end_matches(['.', '%', ' ']);
        let negated = match before {
            "" | "+" => false,
            _ if before.chars().count() == 1 && before.starts_with(is_minus) => true,
            _ => return None,
        };
        if !rest.is_empty() {
            return None;
        }
        if negated {
            number.negated()
        } else {
            Some(number)
        }
    }

    fn negated(self) -> Option<Self> {
        Some(Self {
            numerator: self.numerator.checked_neg()?,
            ..self
        })
    }

    fn plus(self, other: Self) -> Option<Self> {
        let left = self.numerator.checked_mul(other.denominator)?;
        let right = other.numerator.checked_mul(self.denominator)?;
        let denominator = self.denominator.checked_mul(other.denominator)?;
        Self::ratio(left.checked_add(right)?, denominator)
    }
}

impl fmt::Display for Number {
    /// `18`, `-3/4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Without what only typesetting needs.
fn plain(text: &str) -> String {
    let text = text.replace("{,}", ",").replace("\\$", "$");
    let text = text.replace("\\%", "%").replace("\\dfrac", "\\frac");
    // Blanks that separate thousands.
    text.replace(['\u{a0}', '\u{202f}', '\u{2009}'], " ")
}

fn after_equals(text: &str) -> &str {
    match text.rsplit_once('=') {
        Some((_, after)) if after.contains(|c: char| c.is_ascii_digit()) => after,
        _ => text,
    }
}

/// What stands before the first number of `text`, and from it on.
fn first_number(text: &str) -> Option<(&str, &str)> {
    let mut in_word = false;
    for (i, c) in text.char_indices() {
        let from = &text[i..];
        let begins = c.is_ascii_digit()
            || vulgar(c).is_some()
            || from.starts_with("\\frac{")
            || (c == '.' && from[1..].starts_with(|d: char| d.is_ascii_digit()));
        if begins && !in_word {
            return Some((&text[..i], from));
        }
        in_word = c.is_alphanumeric() || c == '_';
    }
    None
}

/// The number that `text` begins with, without a sign, and what follows it; none where it is unreadable.
fn magnitude(text: &str) -> Option<(Number, &str)> {
    if let Some(inside) = text.strip_prefix("\\frac{") {
        let (numerator, rest) = inside.split_once("}{")?;
        let (denominator, rest) = rest.split_once('}')?;
        return Some((
            Number::ratio(digits(numerator)?, digits(denominator)?)?,
            rest,
        ));
    }
    if let Some((part, rest)) = vulgar_first(text) {
        return Some((part, rest));
    }
    let (whole, rest) = thousands(text)?;
    if let Some(decimal) = rest.strip_prefix('.')
        && decimal.starts_with(|c: char| c.is_ascii_digit())
    {
        return decimals(&whole, decimal);
    }
    if let Some(of_ten) = exponent(rest) {
        return scaled(digits(&whole)?, of_ten.0).map(|number| (number, of_ten.1));
    }
    let number = Number::whole(digits(&whole)?);
    if let Some((part, rest)) = vulgar_first(rest) {
        return Some((number.plus(part)?, rest));
    }
    if let Some((below, rest)) = slash(rest) {
        return Some((Number::ratio(number.numerator, below)?, rest));
    }
    // 1 1/2
    let mixed = rest.trim_start_matches(' ');
    if mixed.len() < rest.len()
        && let Some((above, after)) = run_of_digits(mixed)
        && let Some((below, after)) = slash(after)
    {
        let part = Number::ratio(digits(above)?, below)?;
        return Some((number.plus(part)?, after));
    }
    Some((number, rest))
}

/// `/` and a whole number.
fn slash(text: &str) -> Option<(i128, &str)> {
    let below = text.trim_start_matches(' ').strip_prefix('/')?;
    let (below, rest) = run_of_digits(below.trim_start_matches(' '))?;
    Some((digits(below)?, rest))
}

/// Digits, perhaps in groups of three after commas; none where a comma stands between digits otherwise.
fn thousands(text: &str) -> Option<(String, &str)> {
    let Some((first, mut rest)) = run_of_digits(text) else {
        // .5
        return Some((String::new(), text));
    };
    let mut whole = first.to_owned();
    while let Some(after) = rest.strip_prefix(',')
        && let Some((group, after)) = run_of_digits(after)
    {
        if group.len() != 3 || first.len() > 3 || first.starts_with('0') {
            return None;
        }
        whole.push_str(group);
        rest = after;
    }
    Some((whole, rest))
}

fn decimals<'t>(whole: &str, decimal: &'t str) -> Option<(Number, &'t str)> {
    let (part, rest) = run_of_digits(decimal)?;
    // A date, a version.
    if (rest.strip_prefix('.')).is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()))
    {
        return None;
    }
    let all = digits(&format!("{whole}{part}"))?;
    let below = i32::try_from(part.len()).ok()?;
    match exponent(rest) {
        Some((of_ten, rest)) => Some((scaled(all, of_ten - below)?, rest)),
        None => Some((scaled(all, -below)?, rest)),
    }
}

fn exponent(text: &str) -> Option<(i32, &str)> {
    let after = text.strip_prefix(['e', 'E'])?;
    let (negative, after) = match after.strip_prefix('-') {
        Some(after) => (true, after),
        None => (false, after.strip_prefix('+').unwrap_or(after)),
    };
    let (of_ten, rest) = run_of_digits(after)?;
    let of_ten: i32 = of_ten.parse().unwrap_or(i32::MAX / 2);
    Some((if negative { -of_ten } else { of_ten }, rest))
}

fn scaled(number: i128, of_ten: i32) -> Option<Number> {
    if of_ten.unsigned_abs() as usize > MOST_DIGITS {
        return None;
    }
    let ten = 10_i128.checked_pow(of_ten.unsigned_abs())?;
    if of_ten < 0 {
        Number::ratio(number, ten)
    } else {
        Some(Number::whole(number.checked_mul(ten)?))
    }
}

fn run_of_digits(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn digits(text: &str) -> Option<i128> {
    let fits = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn vulgar(c: char) -> Option<(i128, i128)> {
    Some(match c {
        '½' => (1, 2),
        '¼' => (1, 4),
        '¾' => (3, 4),
        '⅓' => (1, 3),
        '⅔' => (2, 3),
        '⅕' => (1, 5),
        '⅛' => (1, 8),
        _ => return None,
    })
}

fn vulgar_first(text: &str) -> Option<(Number, &str)> {
    let first = text.chars().next()?;
    let (above, below) = vulgar(first)?;
    Some((Number::ratio(above, below)?, &text[first.len_utf8()..]))
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '£' | '€' | '¥' | '₹')
}

fn is_minus(c: char) -> bool {
    matches!(c, '-' | '−' | '–')
}

fn is_negated(before: &str) -> bool {
    let before = before.trim_end_matches(is_currency);
    if let Some(earlier) = before.strip_suffix(is_minus) {
        // A hyphen in a word is no sign.
        let earlier = earlier.trim_end_matches(is_currency);
        return !earlier.ends_with(|c: char| c.is_alphanumeric() || is_minus(c));
    }
    let word = before
        .trim_end()
        .rsplit(|c: char| !c.is_alphanumeric())
        .next();
    word.is_some_and(|word| ["minus", "negative"].contains(&&*word.to_lowercase()))
}

/// Whether what follows a number makes another of it, or leaves open which is meant.
fn goes_on(rest: &str) -> bool {
    let rest = rest.trim_start().trim_start_matches('%').trim_start();
    let begins_number = |text: &str| {
        let text = text.trim_start().trim_start_matches(['(', ' ']);
        (text.trim_start_matches(is_currency))
            .starts_with(|c: char| c.is_ascii_digit() || vulgar(c).is_some())
    };
    let between = |c: char| "+*/×·÷^:,".contains(c) || is_minus(c);
    rest.strip_prefix(between).is_some_and(begins_number)
        || ["or ", "to "]
            .iter()
            .any(|word| rest.strip_prefix(word).is_some_and(begins_number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(text: &str, numerator: i128, denominator: i128) {
        let expected = Number::ratio(numerator, denominator);
        assert!(expected.is_some());
        assert_eq!(Number::find(text), expected, "{text:?}");
    }

    #[test]
    fn numbers_are_found() {
        for (text, numerator, denominator) in [
            ("18", 18, 1),
            ("18.", 18, 1),
            (" **18** ", 18, 1),
            ("18 eggs", 18, 1),
            ("18kg", 18, 1),
            ("the 5th", 5, 1),
            ("$18", 18, 1),
            ("18.50", 37, 2),
            (".5", 1, 2),
            ("0.125", 1, 8),
            ("1,234,567", 1_234_567, 1),
            ("-$1,234.50", -2469, 2),
            ("$-5", -5, 1),
            ("−3", -3, 1),
            ("minus 3", -3, 1),
            ("(-3)", -3, 1),
            ("Boeing-747", 747, 1),
            ("50%", 50, 1),
            ("50 \\%", 50, 1),
            ("3/4", 3, 4),
            ("6 / 8", 3, 4),
            ("-3/4", -3, 4),
            ("1 1/2 hours", 3, 2),
            ("½", 1, 2),
            ("1½", 3, 2),
            ("\\frac{3}{4}", 3, 4),
            ("\\(\\dfrac{10}{4}\\)", 5, 2),
            ("\\$70{,}000", 70_000, 1),
            ("1.5e3", 1500, 1),
            ("2e-2", 1, 50),
            ("5 × 3 = 15", 15, 1),
            ("x = 3 and y = -4", -4, 1),
            ("18 (3 * 6)", 18, 1),
            ("18 of the 20 eggs", 18, 1),
            ("$5/hour", 5, 1),
            ("007", 7, 1),
            ("0", 0, 1),
            ("-0", 0, 1),
        ] {
            reads(text, numerator, denominator);
        }
    }

    #[test]
    fn what_leaves_the_number_open_is_unreadable() {
        for text in [
            "",
            "none",
            "eighteen",
            "A12",
            "2 × 3",
            "2 + (3)",
            "10^3",
            "3-4",
            "3 – 4",
            "3 or 4",
            "3, 4",
            "3,14",
            "1,2345",
            "1,234,5",
            "1234,567",
            "0,123",
            "1.2.3",
            "3/0",
            "3/4/5",
            "12:30",
            "1e99",
            "1e-99",
            "\\frac{a}{b}",
            "1234567890123456789012345678901",
        ] {
            assert_eq!(Number::find(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_alone_has_no_words() {
        for text in ["18", " $18.00 ", "-3/4", "−$5", "50 %", "1,000."] {
            assert_eq!(Number::alone(text), Number::find(text), "{text:?}");
            assert!(Number::alone(text).is_some(), "{text:?}");
        }
        for text in ["18 eggs", "about 18", "3 or 4", "", "x = 3", "--3"] {
            assert_eq!(Number::alone(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(above in -1_000_000_000_i64..1_000_000_000, below in 1..1000_i64) {
            let number = Number::ratio(i128::from(above), i128::from(below)).unwrap();
            for text in [format!("{number}"), format!("it is {number}."), format!("1 + 1 = {number} m")] {
                prop_assert_eq!(Number::find(&text), Some(number));
            }
            prop_assert_eq!(Number::alone(&number.to_string()), Some(number));
        }

        #[test]
        fn commas_between_thousands_change_nothing(value: u64, cents in 0..100_u32) {
            let plain = value.to_string();
            let mut grouped = String::new();
            for (i, digit) in plain.chars().enumerate() {
                if i > 0 && (plain.len() - i) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            let number = Number::find(&format!("{plain}.{cents:02}"));
            prop_assert!(number.is_some());
            prop_assert_eq!(Number::find(&format!("${grouped}.{cents:02}")), number);
        }

        #[test]
        fn any_text_has_a_number_or_none(text in "([0-9.,/eE^=×+ $%½−-]|\\\\frac|[{}]|or|é){0,24}") {
            let found = Number::find(&text);
            if let Some(number) = Number::alone(&text) {
                prop_assert_eq!(Number::find(&number.to_string()), Some(number));
            }
            if let Some(number) = found {
                prop_assert_eq!(Number::find(&number.to_string()), Some(number));
            }
        }

        #[test]
        fn no_text_is_too_strange(text: String) {
            let _either = (Number::find(&text), Number::alone(&text));
        }
    }
}
