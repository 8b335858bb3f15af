//! Small cases and judges for tests: noisy blobs on 4 × 4 pixels.

use trimtab_core::Seed;

use crate::cases::Cases;
use crate::images::Images;
use crate::judge::{Judge, JudgeOptions, Lessons};

/// How the judges of tests are trained.
pub(crate) fn options() -> JudgeOptions {
    JudgeOptions {
        hidden: vec![16, 8],
        pieces: 3,
        steps: 300,
        batch_size: 16,
        learning_rate: 1e-2,
        ..JudgeOptions::default()
    }
}

/// `n` images of 16 pixels, and their certain labels, `[n, n_labels]`: label `l` lights its own pixels more often.
pub(crate) fn blobs(n: usize, n_labels: usize) -> (Images, Vec<f32>) {
    let mut stream = Seed(11).child("blobs").stream();
    let (mut values, mut targets) = (Vec::new(), Vec::new());
    for image in 0..n {
        let label = image % n_labels;
        for pixel in 0..16 {
            let is_own = pixel % n_labels == label;
            let is_lit = stream.next_f64() < if is_own { 0.7 } else { 0.3 };
            let value = 55 + stream.below(200) as u8;
            values.push(if is_lit { value } else { 0 });
        }
        // At least one is lit.
        values[16 * image] = values[16 * image].max(1);
        targets.extend((0..n_labels).map(|l| if l == label { 1.0 } else { 0.0 }));
    }
    (Images::new(16, &values), targets)
}

/// A judge of `blobs` that has learnt a little.
pub(crate) fn judge(n_labels: usize, seed: u64) -> Judge {
    let (cases, targets) = blobs(60, n_labels);
    let options = JudgeOptions {
        steps: 60,
        ..options()
    };
    let lessons = Lessons {
        cases: &cases as &dyn Cases,
        targets: &targets,
        n_labels,
    };
    Judge::train(lessons, &options, Seed(seed), 1, &mut |_| {}).unwrap()
}
