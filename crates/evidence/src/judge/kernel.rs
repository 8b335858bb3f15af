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

    /// Which of eight numbers are positive, as bits; nothing where the processor has no instruction for it.
    #[inline(always)]
    fn positive(self, numbers: &[f32; LANES]) -> Option<u8> {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::_CMP_GT_OQ;
            let avx = match self.0 {
                Arch::V3(simd) => simd.avx,
                Arch::V4(simd) => simd.avx,
                _ => return None,
            };
            let is = avx._mm256_cmp_ps::<_CMP_GT_OQ>(pulp::cast(*numbers), avx._mm256_setzero_ps());
            Some(avx._mm256_movemask_ps(is) as u8)
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
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

/// `sums = sum + Σ_i row_i`, in that order.
#[inline(always)]
pub(super) fn add_rows(
    sum: &[f32],
    rows: &[f32],
    pieces: impl Iterator<Item = Piece>,
    sums: &mut [f32],
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
    let (blocks, rest) = sums.as_chunks_mut::<ADDED>();
    let at_rest = width - rest.len();
    for (at, block) in blocks.iter_mut().enumerate() {
        let places = at * ADDED..(at + 1) * ADDED;
        let mut added = [0.0; ADDED];
        added.copy_from_slice(&sum[places.clone()]);
        for row in of_pieces {
            for (sum, x) in added.iter_mut().zip(&row[places.clone()]) {
                *sum += x;
            }
        }
        *block = added;
    }
    rest.copy_from_slice(&sum[at_rest..]);
    for row in of_pieces {
        for (sum, x) in rest.iter_mut().zip(&row[at_rest..]) {
            *sum += x;
        }
    }
}

/// Numbers that are added up side by side.
const ADDED: usize = 8 * LANES;

/// By the bits of a byte: which of them are set, in order.
const SET_BITS: [[u32; LANES]; 256] = {
    let mut table = [[0; LANES]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut n) = (0, 0);
        while bit < LANES {
            if byte >> bit & 1 == 1 {
                table[byte][n] = bit as u32;
                n += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    table
};

/// Fills `active` with the units that a rectifier lets pass.
#[inline(always)]
pub(super) fn active_units(kernel: Kernel, input: &[f32], active: &mut Vec<u32>) {
    active.resize(input.len() + LANES, 0);
    let n_active = note_active(kernel, 0, input, active, 0);
    active.truncate(n_active);
}

/// Notes the units from `first` that a rectifier lets pass behind the `n_active` that are there: how many there are then.
/// No branch depends on them. Inputs are whole lanes, and whole lanes are written, the last ones for nothing.
#[inline(always)]
fn note_active(
    kernel: Kernel,
    first: u32,
    inputs: &[f32],
    active: &mut [u32],
    mut n_active: usize,
) -> usize {
    let (inputs, _) = inputs.as_chunks::<LANES>();
    for (first, inputs) in (first..).step_by(LANES).zip(inputs) {
        let places = &mut active[n_active..n_active + LANES];
        if let Some(passes) = kernel.positive(inputs) {
            let lanes = SET_BITS[usize::from(passes)];
            for (place, lane) in places.iter_mut().zip(lanes) {
                *place = first + lane;
            }
            n_active += passes.count_ones() as usize;
        } else {
            let mut n_here = 0;
            for (unit, &x) in (first..).zip(inputs) {
                places[n_here % LANES] = unit;
                n_here += usize::from(x > 0.0);
            }
            n_active += n_here;
        }
    }
    n_active
}

/// Units that a rectifier lets pass, ascending.
#[derive(Debug, Clone, Default)]
pub(crate) struct Active {
    units: Vec<u32>,
    /// How many of them are in blocks before the next.
    ends: Vec<usize>,
}

/// Units whose weights are used for a whole batch while they are in the nearest cache.
const BLOCK: usize = 32;

/// `output = bias + Σ_j max(input_j, 0) weights_j` for each of a batch, `[n, inputs]` to `[n, padded(outputs)]`; `active` is
/// scratch. The order of summation is that of [`dense`].
#[inline(always)]
pub(super) fn dense_batch(
    kernel: Kernel,
    layer: &Dense,
    inputs: &[f32],
    active: &mut [Active],
    outputs: &mut [f32],
) {
    let n_inputs = padded(layer.shape[0]);
    for (input, active) in inputs.chunks_exact(n_inputs).zip(&mut *active) {
        active.find(kernel, input);
    }
    for output in outputs.chunks_exact_mut(layer.width()) {
        output.copy_from_slice(&layer.bias);
    }
    for block in 0..n_inputs.div_ceil(BLOCK) {
        let of_batch = inputs.chunks_exact(n_inputs).zip(&*active);
        let outputs = outputs.chunks_exact_mut(layer.width());
        for ((input, active), output) in of_batch.zip(outputs) {
            add_units(layer, input, active.block(block), output);
        }
    }
}

impl Active {
    #[inline(always)]
    fn find(&mut self, kernel: Kernel, input: &[f32]) {
        // Only grown: what is there is written over.
        if self.units.len() < input.len() + LANES {
            self.units.resize(input.len() + LANES, 0);
        }
        self.ends.clear();
        let mut n_active = 0;
        for (first, inputs) in (0_u32..).step_by(BLOCK).zip(input.chunks(BLOCK)) {
            n_active = note_active(kernel, first, inputs, &mut self.units, n_active);
            self.ends.push(n_active);
        }
    }

    #[inline(always)]
    fn block(&self, block: usize) -> &[u32] {
        let start = block.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.units[start..self.ends[block]]
    }
}

/// `output = bias + Σ_j max(input_j, 0) weights_j`; `active` is scratch.
#[inline(always)]
pub(crate) fn dense(
    kernel: Kernel,
    layer: &Dense,
    input: &[f32],
    active: &mut Vec<u32>,
    output: &mut [f32],
) {
    active_units(kernel, input, active);
    output.copy_from_slice(&layer.bias);
    add_units(layer, input, active, output);
}

/// Adds the weights of some units, times their inputs.
#[inline(always)]
fn add_units(layer: &Dense, input: &[f32], units: &[u32], output: &mut [f32]) {
    match output.len() {
        8 => add_units_of::<8>(layer, input, units, output),
        16 => add_units_of::<16>(layer, input, units, output),
        32 => add_units_of::<32>(layer, input, units, output),
        64 => add_units_of::<64>(layer, input, units, output),
        width => {
            for &unit in units {
                let unit = unit as usize;
                add_scaled(input[unit], &layer.weights[unit * width..][..width], output);
            }
        }
    }
}

/// A width that is known: the sums stay in registers.
#[inline(always)]
fn add_units_of<const W: usize>(layer: &Dense, input: &[f32], units: &[u32], output: &mut [f32]) {
    let mut sums = [0.0; W];
    sums.copy_from_slice(output);
    let (rows, _) = layer.weights.as_chunks::<W>();
    for &unit in units {
        let (x, row) = (input[unit as usize], &rows[unit as usize]);
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
    use super::*;

    #[test]
    fn active_units_are_the_positive_ones() {
        let mut stream = trimtab_core::Seed(5).stream();
        for n_lanes in 0..20 {
            let input: Vec<f32> = (0..LANES * n_lanes)
                .map(|_| [-1.0, 0.0, -0.0, 0.5, f32::MIN_POSITIVE, f32::NAN][stream.below(6)])
                .collect();
            let positive = (0_u32..).zip(&input).filter(|(_, x)| **x > 0.0);
            let positive: Vec<u32> = positive.map(|(unit, _)| unit).collect();
            for kernel in [Kernel::new(), Kernel(Arch::Scalar)] {
                let mut active = Vec::new();
                active_units(kernel, &input, &mut active);
                assert_eq!(active, positive);
            }
        }
    }
}
