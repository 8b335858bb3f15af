//! Powers of a permutation: facts `(x, σ x)`, and the question what `σᵏ x` is.

use trimtab_core::SplitMix64;
use trimtab_pointer::Rows;

/// A batch of contexts and questions, with their answers.
pub(crate) struct Powers {
    pub(crate) facts: Rows,
    pub(crate) questions: Rows,
    pub(crate) targets: Vec<u8>,
}

/// As many contexts as `n_contexts`, `n_questions` about each; `k` is from 1 to `most`.
pub(crate) fn powers(
    stream: &mut SplitMix64,
    n: usize,
    most: usize,
    n_contexts: usize,
    n_questions: usize,
) -> Powers {
    let (mut facts, mut questions) = (Rows::new(2), Rows::new(2));
    let mut targets = Vec::new();
    for _ in 0..n_contexts {
        let mut image: Vec<usize> = (0..n).collect();
        stream.shuffle(&mut image);
        facts.open();
        (image.iter().enumerate()).for_each(|(x, &y)| facts.push(&[x as u8, y as u8]));
        questions.open();
        for _ in 0..n_questions {
            let (x, k) = (stream.below(n), 1 + stream.below(most));
            questions.push(&[x as u8, k as u8]);
            targets.push((0..k).fold(x, |x, _| image[x]) as u8);
        }
    }
    Powers {
        facts,
        questions,
        targets,
    }
}
