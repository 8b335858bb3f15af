//! Whether a training fits into the processor's memory, found out before it begins.
//!
//! ```text
//! bytes ≥ 4 · (P + 3 L + M · T · a)
//! a      = layers · (8 width + 2 mlp width + heads · T)
//! ```
//!
//! P: all parameters; L: those that learn, each with a gradient and two moments; M: rows of a micro-batch; T: tokens of
//! the longest row; a: numbers a token that the backward pass needs. Every term is the least there can be, so
//! that nothing that fits is refused; a training that is admitted may still need more. When the system runs out it ends the
//! process, and all that would be left of an explanation is an exit status.

use std::fs;

use crate::classifier::Classifier;
use crate::train::{TrainOptions, Trained};
use crate::transformer::Parameter;

/// What a training needs, at the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// Parameters, gradients and moments, in bytes.
    fixed: u64,
    /// What one row of a micro-batch adds, in bytes.
    per_row: u64,
}

impl Need {
    /// Of a classifier, tracked as it will learn, on rows of at most `longest` tokens.
    pub(crate) fn of(tracked: &Classifier, trained: Trained, longest: usize) -> Self {
        let (mut n, mut n_learning) = (0_u64, 0_u64);
        let learns = trained.learns();
        tracked
            .clone()
            .visit(&mut |name, parameter: Parameter<'_>| {
                let size = parameter.shape().iter().product::<usize>() as u64;
                n += size;
                n_learning += if learns(name) { size } else { 0 };
            });
        let d = tracked.model().transformer.definition();
        let per_token = d.n_layers * (8 * d.width + 2 * d.mlp_width + d.n_heads * longest);
        let per_row = match trained {
            Trained::Head => 0,
            Trained::Lora | Trained::All => (longest * per_token) as u64 * 4,
        };
        Self {
            fixed: 4 * (n + 3 * n_learning),
            per_row,
        }
    }

    /// In all, with micro-batches of `rows` rows.
    pub(crate) fn bytes(self, rows: usize) -> u64 {
        self.fixed + self.per_row * rows as u64
    }

    /// The most rows a micro-batch that fit into `available` bytes; 0 when none does.
    pub(crate) fn rows_that_fit(self, available: u64) -> usize {
        let left = available.saturating_sub(self.fixed);
        left.checked_div(self.per_row).map_or(usize::MAX, |rows| {
            usize::try_from(rows).unwrap_or(usize::MAX)
        })
    }
}

/// What would fit instead, in words.
pub(crate) fn advice(
    need: Need,
    available: u64,
    options: &TrainOptions,
    rows_per_sample: usize,
) -> String {
    let fits = need.rows_that_fit(available) / rows_per_sample;
    if fits >= 1 && fits < options.micro_batch_size {
        return format!("a micro-batch-size of {fits} would fit");
    }
    match options.trained {
        Trained::All => {
            "not even one sample fits: train = { trained = \"lora\" }, or \"head\"".into()
        }
        Trained::Lora => "not even one sample fits: train = { trained = \"head\" }".into(),
        Trained::Head => "take a smaller model".into(),
    }
}

/// Bytes that this process may still take, as far as the system says: the machine's, or those of its control group.
pub(crate) fn available() -> Option<u64> {
    let of_machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| meminfo(&text));
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let of_group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, now)| most.saturating_sub(now));
    match (of_machine, of_group) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `MemAvailable` and `SwapFree` of `/proc/meminfo`, in bytes.
fn meminfo(text: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Some(field("MemAvailable:")? + field("SwapFree:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_the_largest_that_does() {
        let need = Need {
            fixed: 1000,
            per_row: 300,
        };
        for available in [0, 999, 1000, 1299, 1300, 5000] {
            let rows = need.rows_that_fit(available);
            assert!(rows == 0 || need.bytes(rows) <= available);
            assert!(need.bytes(rows + 1) > available);
        }
        let options = |micro_batch_size, trained| TrainOptions {
            trained,
            micro_batch_size,
            ..TrainOptions::default()
        };
        let say = |available, trained| advice(need, available, &options(32, trained), 1);
        assert_eq!(say(2000, Trained::All), "a micro-batch-size of 3 would fit");
        assert!(say(1100, Trained::All).contains("lora"));
        assert!(say(1100, Trained::Lora).contains("head"));
    }

    #[test]
    fn the_systems_figure_is_read() {
        let text = "MemTotal:  100 kB\nMemAvailable:   12 kB\nSwapFree:  3 kB\n";
        assert_eq!(meminfo(text), Some(15 * 1024));
        assert_eq!(meminfo("nothing"), None);
    }
}
