//! Small experiments and the data they run on, made here.

use std::fmt::Write as _;

use crate::workplace::Workplace;

/// Numbers that are the same everywhere (SplitMix64).
pub(crate) struct Stream(pub(crate) u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, with mean 0 and deviation 1.
    fn noise(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const GOOD: [&str; 4] = ["moving", "clever", "bright", "warm"];
const BAD: [&str; 4] = ["dull", "stale", "grim", "flat"];
const ANY: [&str; 8] = ["the", "film", "and", "its", "people", "a", "story", "of"];

/// Reviews in JSONL: words that say little, eight features that say much. Words alone get about two
/// of three right, features nine of ten.
pub(crate) fn reviews(n: usize) -> String {
    let mut stream = Stream(7);
    let mut text = String::new();
    for i in 0..n {
        let is_good = i % 2 == 0;
        let side = if is_good { 1.0 } else { -1.0 };
        let words: Vec<&str> = (0..8)
            .map(|_| {
                let at = (stream.next() % 8) as usize;
                let says = stream.uniform();
                let sign = if stream.uniform() < 0.62 {
                    is_good
                } else {
                    !is_good
                };
                match (says < 0.3, sign) {
                    (false, _) => ANY[at],
                    (true, true) => GOOD[at % 4],
                    (true, false) => BAD[at % 4],
                }
            })
            .collect();
        let features: Vec<String> = (0..8)
            .map(|_| format!("{:.4}", 0.5 * side + stream.noise()))
            .collect();
        let label = if is_good { "good" } else { "bad" };
        writeln!(
            text,
            r#"{{"id": "r{i}", "text": "{}", "label": "{label}", "features": [{}]}}"#,
            words.join(" "),
            features.join(", "),
        )
        .unwrap();
    }
    text
}

/// Two seeds, three ways of learning, one of them a network, on `reviews.jsonl`.
pub(crate) const SMALL: &str = r#"name = "small"
seeds = 2

[data]
set = "reviews.jsonl"

[roles]
weak.model = { kind = "bag-of-words", bits = 8 }
strong.model = "features"

[[method]]
kind = "weak-to-strong"
loss = "naive"

[[method]]
kind = "weak-to-strong"
loss = "confidence"

[[method]]
kind = "weak-to-strong"
head = "mlp"

[report]
resamples = 200
"#;

/// A folder with `small.toml` and its data.
pub(crate) fn small() -> Workplace {
    let place = Workplace::new();
    place.write("reviews.jsonl", reviews(300));
    place.write("small.toml", SMALL);
    place
}

/// A line changed: `n` counts from 1, as in messages.
pub(crate) fn with_line(text: &str, n: usize, change: impl Fn(&str) -> String) -> String {
    let lines = text.lines().enumerate().map(|(i, line)| {
        if i + 1 == n {
            change(line)
        } else {
            line.to_owned()
        }
    });
    lines.map(|line| line + "\n").collect()
}
