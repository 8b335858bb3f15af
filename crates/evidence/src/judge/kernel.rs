//! The judge's inner loops, compiled for the processor at hand.
//!
//! Everything is additions of scaled rows, so that rectified units that are silent cost nothing, and the order of summation
//! is the same in training, in search and in exact solutions.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use pulp::{Arch, NullaryFnOnce, WithSimd};

use super::Dense;
use crate::board::{MOST_REVEALED, Piece};

/// Widths are padded to this many numbers.
pub(crate) const LANES: usize = 8;

/// `n` rounded up to whole lanes.
pub(crate) fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// Runs loops with the widest instructions that this processor has. Every number is computed by itself, so width changes no bit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel(Arch);

impl Kernel {
    pub(crate) fn new() -> Self {
        Self(Arch::new())
    }

    /// Runs `loops`, which must be inlined all the way down.
    #[inline(always)]
    pub(crate) fn run<F: WithSimd>(self, loops: F) -> F::Output {
        self.0.dispatch(loops)
    }

    /// Which of some lanes are positive, as bits.
    #[inline(always)]
    fn positive(self, numbers: &[f32; LANES]) -> u8 {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::_CMP_GT_OQ;
            if let Some(avx) = self.avx() {
                let is =
                    avx._mm256_cmp_ps::<_CMP_GT_OQ>(pulp::cast(*numbers), avx._mm256_setzero_ps());
                return avx._mm256_movemask_ps(is) as u8;
            }
        }
        let mut bits = 0;
        for (at, x) in numbers.iter().enumerate() {
            bits |= u8::from(*x > 0.0) << at;
        }
        bits
    }

    /// Which of some lanes are `x`, as bits.
    #[inline(always)]
    pub(crate) fn equal(self, numbers: &[f32; LANES], x: f32) -> u8 {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::_CMP_EQ_OQ;
            if let Some(avx) = self.avx() {
                let is =
                    avx._mm256_cmp_ps::<_CMP_EQ_OQ>(pulp::cast(*numbers), avx._mm256_set1_ps(x));
                return avx._mm256_movemask_ps(is) as u8;
            }
        }
        let mut bits = 0;
        for (at, number) in numbers.iter().enumerate() {
            bits |= u8::from(*number == x) << at;
        }
        bits
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn avx(self) -> Option<pulp::core_arch::x86::Avx> {
        match self.0 {
            Arch::V3(simd) => Some(simd.avx),
            Arch::V4(simd) => Some(simd.avx),
            _ => None,
        }
    }

    /// `sum += scale · row`.
    pub(crate) fn add_scaled(self, scale: f32, row: &[f32], sum: &mut [f32]) {
        self.run(AddScaled { scale, row, sum });
    }
}

struct AddScaled<'a> {
    scale: f32,
    row: &'a [f32],
    sum: &'a mut [f32],
}

impl NullaryFnOnce for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        add_scaled(self.scale, self.row, self.sum);
    }
}

#[inline(always)]
pub(crate) fn add_scaled(scale: f32, row: &[f32], sum: &mut [f32]) {
    for (sum, x) in sum.iter_mut().zip(row) {
        *sum = scale.mul_add(*x, *sum);
    }
}

/// `sums = sum + Σ_i row_i`, in that order, and which of them are positive, as [`mark_active`] says it.
#[inline(always)]
pub(super) fn add_rows(
    kernel: Kernel,
    sum: &[f32],
    rows: &[f32],
    pieces: impl Iterator<Item = Piece>,
    sums: &mut [f32],
    active: &mut [u64],
) {
    let width = sum.len();
    let mut of_pieces = [sum; MOST_REVEALED];
    let mut n = 0;
    for (piece, row) in pieces.zip(&mut of_pieces) {
        *row = &rows[usize::from(piece) * width..][..width];
        n += 1;
    }
    let of_pieces = &of_pieces[..n];
    // As many as stay in registers.
    let (blocks, rest) = sums.as_chunks_mut::<WORD>();
    let at_rest = width - rest.len();
    let (words, word_of_rest) = active.split_at_mut(blocks.len());
    for ((at, block), word) in (0..).step_by(WORD).zip(blocks).zip(words) {
        let places = at..at + WORD;
        let mut added = [0.0; WORD];
        added.copy_from_slice(&sum[places.clone()]);
        for row in of_pieces {
            for (sum, x) in added.iter_mut().zip(&row[places.clone()]) {
                *sum += x;
            }
        }
        *block = added;
        *word = positive(kernel, block);
    }
    rest.copy_from_slice(&sum[at_rest..]);
    for row in of_pieces {
        for (sum, x) in rest.iter_mut().zip(&row[at_rest..]) {
            *sum += x;
        }
    }
    mark_active(kernel, rest, word_of_rest);
}

/// Units whose marks are one number. Their weights are used for a whole batch while they are in the nearest cache.
const WORD: usize = 64;

/// Numbers that mark so many units.
pub(super) fn n_words(n_units: usize) -> usize {
    n_units.div_ceil(WORD)
}

/// Marks the units that a rectifier lets pass, a bit each, the first the lowest. No branch depends on them. Inputs are whole lanes.
#[inline(always)]
pub(super) fn mark_active(kernel: Kernel, inputs: &[f32], active: &mut [u64]) {
    for (word, inputs) in active.iter_mut().zip(inputs.chunks(WORD)) {
        *word = positive(kernel, inputs);
    }
}

/// Which of at most [`WORD`] numbers are positive.
#[inline(always)]
fn positive(kernel: Kernel, inputs: &[f32]) -> u64 {
    let (lanes, _) = inputs.as_chunks::<LANES>();
    let mut word = 0;
    for (lane, numbers) in lanes.iter().enumerate() {
        word |= u64::from(kernel.positive(numbers)) << (LANES * lane);
    }
    word
}

/// The units that are marked, ascending.
#[inline(always)]
pub(super) fn marked(active: &[u64]) -> impl Iterator<Item = usize> {
    let firsts = (0..).step_by(WORD);
    firsts
        .zip(active)
        .flat_map(|(first, word)| bits_of(*word).map(move |bit| first + bit))
}

/// The places of the bits that are set, ascending.
#[inline(always)]
fn bits_of(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        word &= word.wrapping_sub(1);
        (bit < WORD).then_some(bit)
    })
}

/// `output = bias + Σ_j max(input_j, 0) weights_j` for each of a batch, `[n, inputs]` to `[n, padded(outputs)]`; `active` marks the
/// positive inputs, `[n, n_words(inputs)]`.
#[inline(always)]
pub(super) fn dense_batch(layer: &Dense, inputs: &[f32], active: &[u64], outputs: &mut [f32]) {
    let n_inputs = padded(layer.shape[0]);
    let n_words = n_words(n_inputs);
    for word in 0..n_words {
        let of_batch = inputs
            .chunks_exact(n_inputs)
            .zip(active.chunks_exact(n_words));
        let outputs = outputs.chunks_exact_mut(layer.width());
        for ((input, active), output) in of_batch.zip(outputs) {
            let from = (word == 0).then_some(&layer.bias[..]);
            add_units(layer, input, word, active[word], from, output);
        }
    }
}

/// `output = bias + Σ_j max(input_j, 0) weights_j`; `active` is scratch, and marks the positive inputs.
#[inline(always)]
pub(crate) fn dense(
    kernel: Kernel,
    layer: &Dense,
    input: &[f32],
    active: &mut Vec<u64>,
    output: &mut [f32],
) {
    active.resize(n_words(input.len()), 0);
    mark_active(kernel, input, active);
    dense_batch(layer, input, active, output);
}

/// Adds the weights of the units that are marked in one word, times their inputs, to `from`, or else to what is there.
#[inline(always)]
fn add_units(
    layer: &Dense,
    input: &[f32],
    word: usize,
    active: u64,
    from: Option<&[f32]>,
    output: &mut [f32],
) {
    match output.len() {
        8 => add_units_of::<8>(layer, input, word, active, from, output),
        16 => add_units_of::<16>(layer, input, word, active, from, output),
        32 => add_units_of::<32>(layer, input, word, active, from, output),
        64 => add_units_of::<64>(layer, input, word, active, from, output),
        width => {
            if let Some(from) = from {
                output.copy_from_slice(from);
            }
            for unit in bits_of(active) {
                let unit = WORD * word + unit;
                add_scaled(input[unit], &layer.weights[unit * width..][..width], output);
            }
        }
    }
}

/// A width that is known: the sums stay in registers.
#[inline(always)]
fn add_units_of<const W: usize>(
    layer: &Dense,
    input: &[f32],
    word: usize,
    active: u64,
    from: Option<&[f32]>,
    output: &mut [f32],
) {
    let mut sums = [0.0; W];
    sums.copy_from_slice(from.unwrap_or(output));
    let (rows, _) = layer.weights.as_chunks::<W>();
    let (rows, input) = (&rows[WORD * word..], &input[WORD * word..]);
    for unit in bits_of(active) {
        let (x, row) = (input[unit], &rows[unit]);
        for (sum, w) in sums.iter_mut().zip(row) {
            *sum = x.mul_add(*w, *sum);
        }
    }
    output.copy_from_slice(&sums);
}

/// `Σ_i a_i b_i`, in eight partial sums.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, _) = a.as_chunks::<LANES>();
    let (b, _) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum = x.mul_add(*y, *sum);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::Aligned;
    use super::*;

    #[test]
    fn active_units_are_the_positive_ones() {
        let mut stream = trimtab_core::Seed(5).stream();
        for n_lanes in 0..20 {
            let input: Vec<f32> = (0..LANES * n_lanes)
                .map(|_| [-1.0, 0.0, -0.0, 0.5, f32::MIN_POSITIVE, f32::NAN][stream.below(6)])
                .collect();
            let positive: Vec<usize> = (0..input.len()).filter(|at| input[*at] > 0.0).collect();
            for kernel in [Kernel::new(), Kernel(Arch::Scalar)] {
                let mut active = vec![0; n_words(input.len())];
                mark_active(kernel, &input, &mut active);
                assert_eq!(marked(&active).collect::<Vec<_>>(), positive);
            }
        }
    }

    /// To the bit: games are the same whatever is fast.
    #[test]
    fn layers_add_what_a_plain_loop_adds_in_the_same_order() {
        struct AddRows<'a>(
            Kernel,
            [&'a [f32]; 2],
            [Piece; 3],
            &'a mut [f32],
            &'a mut [u64],
        );
        impl NullaryFnOnce for AddRows<'_> {
            type Output = ();

            #[inline(always)]
            fn call(self) {
                let Self(kernel, [sum, rows], pieces, sums, active) = self;
                add_rows(kernel, sum, rows, pieces.into_iter(), sums, active);
            }
        }
        struct Batch<'a>(&'a Dense, &'a [f32], &'a [u64], &'a mut [f32]);
        impl NullaryFnOnce for Batch<'_> {
            type Output = ();

            #[inline(always)]
            fn call(self) {
                dense_batch(self.0, self.1, self.2, self.3);
            }
        }
        let kernel = Kernel::new();
        let mut stream = trimtab_core::Seed(6).stream();
        for (inputs, outputs) in [(8, 8), (64, 16), (72, 32), (136, 64), (512, 64), (200, 24)] {
            let mut normal = |n: usize| (0..n).map(|_| stream.next_normal() as f32).collect();
            let (sum, rows): (Vec<f32>, Vec<f32>) = (normal(inputs), normal(9 * inputs));
            let layer = Dense {
                shape: [inputs, outputs],
                weights: Aligned::from(&normal(inputs * outputs)[..]),
                bias: Aligned::from(&normal(outputs)[..]),
            };
            let sets: [[Piece; 3]; 4] = [[0, 1, 2], [1, 5, 8], [2, 3, 4], [0, 7, 8]];
            let words = n_words(inputs);
            let mut sums = vec![0.0; 4 * inputs];
            let mut active = vec![0; 4 * words];
            let of_each = sums
                .chunks_exact_mut(inputs)
                .zip(active.chunks_exact_mut(words));
            for (set, (sums, active)) in sets.into_iter().zip(of_each) {
                kernel.run(AddRows(kernel, [&sum, &rows], set, sums, active));
            }
            let mut found = vec![0.0; 4 * outputs];
            kernel.run(Batch(&layer, &sums, &active, &mut found));
            for (set, found) in sets.into_iter().zip(found.chunks_exact(outputs)) {
                let mut expected = layer.bias.to_vec();
                for unit in 0..inputs {
                    let of_piece = |piece: Piece| rows[usize::from(piece) * inputs + unit];
                    let x = set
                        .into_iter()
                        .fold(sum[unit], |x, piece| x + of_piece(piece));
                    for (output, expected) in expected.iter_mut().enumerate() {
                        if x > 0.0 {
                            *expected =
                                x.mul_add(layer.weights[unit * outputs + output], *expected);
                        }
                    }
                }
                assert_eq!(found, expected);
            }
        }
    }
}
