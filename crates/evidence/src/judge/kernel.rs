//! The judge's inner loops, compiled for the processor at hand.
//!
//! Everything is additions of scaled rows, so that rectified units that are silent cost nothing, and the order of summation
//! is the same in training, in search and in exact solutions.
#![expect(
    clippy::inline_always,
    reason = "vector instructions are chosen where the caller is compiled, so everything below it is inlined"
)]

use pulp::{Arch, NullaryFnOnce};

use super::Dense;

/// Widths are padded to this many numbers.
pub(crate) const LANES: usize = 8;

/// `n` rounded up to whole lanes.
pub(crate) fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// Runs loops with the widest instructions that this processor has, up to eight lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel(Arch);

impl Kernel {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn new() -> Self {
        Self(pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3))
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn new() -> Self {
        Self(Arch::new())
    }

    /// Runs `loops`, which must be inlined all the way down.
    #[inline(always)]
    pub(crate) fn run<F: NullaryFnOnce>(self, loops: F) -> F::Output {
        self.0.dispatch(loops)
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

/// Fills `active` with the units that a rectifier lets pass; no branch depends on any.
#[inline(always)]
pub(super) fn active_units(input: &[f32], active: &mut Vec<u32>) {
    active.resize(input.len(), 0);
    let mut n_active = 0;
    for (unit, &x) in (0..).zip(input) {
        active[n_active] = unit;
        n_active += usize::from(x > 0.0);
    }
    active.truncate(n_active);
}

/// `output = bias + Σ_j max(input_j, 0) weights_j`; `active` is scratch.
#[inline(always)]
pub(crate) fn dense(layer: &Dense, input: &[f32], active: &mut Vec<u32>, output: &mut [f32]) {
    active_units(input, active);
    match output.len() {
        8 => dense_of::<8>(layer, input, active, output),
        16 => dense_of::<16>(layer, input, active, output),
        32 => dense_of::<32>(layer, input, active, output),
        64 => dense_of::<64>(layer, input, active, output),
        width => {
            output.copy_from_slice(&layer.bias);
            for &unit in &*active {
                let unit = unit as usize;
                add_scaled(input[unit], &layer.weights[unit * width..][..width], output);
            }
        }
    }
}

/// A width that is known: the sums stay in registers.
#[inline(always)]
fn dense_of<const W: usize>(layer: &Dense, input: &[f32], active: &[u32], output: &mut [f32]) {
    let mut sums = [0.0; W];
    sums.copy_from_slice(&layer.bias[..W]);
    let (rows, _) = layer.weights.as_chunks::<W>();
    for &unit in active {
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
