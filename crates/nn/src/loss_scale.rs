//! Loss scaling (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2): what goes back through products of 16 bits is multiplied first,
//! and what comes out is divided again.
//!
//! ```text
//! S = 2^k, the largest with S Σ|slope| ≤ 2¹⁰        gradient = backward(S · slope) / S
//! ```
//!
//! Numbers under 6e-8 are nothing in `float16`, and over 65,504 infinite. With Σ|slope| at 2¹⁰ a gradient that all tokens agree on stays
//! finite; where one does not all the same, the pass is made again with S/2⁶ and S/2¹². `bfloat16` has the range of 32 bits: S = 1.
//!
//! Differs from the paper, and from PyTorch's `GradScaler`: S follows from the slopes of the batch instead of being searched for over steps,
//! so that no step is skipped, and a training that was killed goes on without knowing what S was.

use crate::adamw::Gradients;
use crate::precision::Precision;

/// The sum that slopes are brought to, as a power of two.
const TARGET: i32 = 10;

/// How often a gradient that is not finite is tried again, and by which power of two S is then smaller.
const TRIES: i32 = 2;
const FALL: i32 = 6;

/// What `attempt` gives for slopes that are multiplied by what it is told, divided by that. It is called again while numbers of 16 bits do
/// not hold what comes out; the last time, whatever comes out.
///
/// # Errors
///
/// What `attempt` fails with.
pub(crate) fn scaled<E>(
    precision: Precision,
    slopes: &[f32],
    mut attempt: impl FnMut(f32) -> Result<Gradients, E>,
) -> Result<Gradients, E> {
    let Some(exponent) = exponent(precision, slopes) else {
        return attempt(1.0);
    };
    let mut n_tries = 0;
    loop {
        let exponent = exponent - n_tries * FALL;
        let mut gradients = attempt(2_f32.powi(exponent))?;
        if n_tries == TRIES || gradients.is_finite() {
            gradients.scale(2_f64.powi(-exponent));
            return Ok(gradients);
        }
        n_tries += 1;
    }
}

/// The k of S; nothing where slopes stay as they are.
fn exponent(precision: Precision, slopes: &[f32]) -> Option<i32> {
    match precision {
        Precision::Float32 | Precision::Bfloat16 => return None,
        Precision::Float16 => {}
    }
    let sum: f64 = slopes.iter().map(|&slope| f64::from(slope).abs()).sum();
    // Of nothing, or of what is no number, there is no scale. The powers are those that both S and its inverse can be.
    (sum > 0.0 && sum.is_finite()).then(|| (TARGET - sum.log2().ceil() as i32).clamp(-100, 100))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use burn_tensor::{Device, Tensor};

    use super::*;
    use crate::adamw::Gradient;

    fn one(number: f32) -> Gradients {
        let mut gradients = Gradients::default();
        let tensor = Tensor::from_data([number], &Device::flex());
        gradients.add("w", Gradient::Vector(tensor));
        gradients
    }

    fn number(mut gradients: Gradients) -> f32 {
        match gradients.take("w") {
            Some(Gradient::Vector(tensor)) => tensor.into_scalar::<f32>(),
            _ => panic!("no gradient"),
        }
    }

    #[test]
    fn slopes_are_brought_to_one_size_and_gradients_back() {
        for slopes in [vec![1e-6_f32; 4], vec![3.0, -5.0], vec![1e9]] {
            let mut scales = Vec::new();
            let gradients = scaled(Precision::Float16, &slopes, |scale| {
                scales.push(scale);
                Ok::<_, Infallible>(one(slopes[0] * scale))
            });
            let sum: f32 = slopes.iter().map(|s| s.abs() * scales[0]).sum();
            assert!(sum > 512.0 && sum <= 1024.0, "{sum}");
            assert_eq!(number(gradients.unwrap()), slopes[0]);
            assert_eq!(scales.len(), 1);
        }
    }

    #[test]
    fn what_overflows_is_tried_with_less_and_not_for_ever() {
        let mut scales = Vec::new();
        let gradients = scaled(Precision::Float16, &[1.0], |scale| {
            scales.push(scale);
            let overflows = scales.len() < 2;
            let number = if overflows { f32::INFINITY } else { scale };
            Ok::<_, Infallible>(one(number))
        });
        assert_eq!(number(gradients.unwrap()), 1.0);
        assert_eq!(scales, [1024.0, 16.0]);
        let mut n = 0;
        let gradients = scaled(Precision::Float16, &[1.0], |_| {
            n += 1;
            Ok::<_, Infallible>(one(f32::NAN))
        });
        assert!(number(gradients.unwrap()).is_nan());
        assert_eq!(n, 3);
    }

    #[test]
    fn ranges_of_32_bits_need_none() {
        for precision in [Precision::Float32, Precision::Bfloat16] {
            assert_eq!(exponent(precision, &[1e-6]), None);
        }
        assert_eq!(exponent(Precision::Float16, &[0.0]), None);
        assert_eq!(exponent(Precision::Float16, &[f32::NAN]), None);
    }
}
