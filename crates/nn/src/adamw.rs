//! AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) over named parameters.
//!
//! ```text
//! m ← β₁ m + (1−β₁) g,   v ← β₂ v + (1−β₂) g²,   w ← (1 − η λ) w − η m̂ / (√v̂ + ε)
//! ```
//!
//! m̂ and v̂ are m and v over 1 − βᵏ at step k from 1. Vectors, which are biases and norms, are not
//! decayed; embeddings are. On the processor a step is one pass over the numbers, elsewhere the device's operations. Parity with PyTorch's Adam: `tests/it/training.rs`.

use std::collections::BTreeMap;

use burn_tensor::{Device, Gradients as Collected, Tensor, TensorData};

use crate::transformer::{self, Parameter, Visit};
use trimtab_kernel::pointwise::{self as kernel, AdamWStep};

/// A gradient of one parameter, or another quantity of its shape.
#[derive(Debug, Clone)]
pub(crate) enum Gradient {
    Vector(Tensor<1>),
    Matrix(Tensor<2>),
}

/// Gradients by name.
#[derive(Debug, Default)]
pub(crate) struct Gradients(BTreeMap<String, Gradient>);

impl Gradients {
    /// Adds to what is there under `name`.
    pub(crate) fn add(&mut self, name: &str, gradient: Gradient) {
        let sum = match (self.0.remove(name), gradient) {
            (Some(Gradient::Vector(old)), Gradient::Vector(new)) => Gradient::Vector(old + new),
            (Some(Gradient::Matrix(old)), Gradient::Matrix(new)) => Gradient::Matrix(old + new),
            (_, new) => new,
        };
        self.0.insert(name.to_owned(), sum);
    }

    /// Adds all of `other`.
    pub(crate) fn add_all(&mut self, other: Self) {
        for (name, gradient) in other.0 {
            self.add(&name, gradient);
        }
    }

    /// Adds what the device's differentiation has found for a parameter, if anything.
    pub(crate) fn collect(
        &mut self,
        name: &str,
        parameter: &Parameter<'_>,
        collected: &mut Collected,
    ) {
        let gradient = match parameter {
            Parameter::Vector(tensor) => tensor.grad_remove(collected).map(Gradient::Vector),
            Parameter::Matrix(tensor) => tensor.grad_remove(collected).map(Gradient::Matrix),
        };
        if let Some(gradient) = gradient {
            self.add(name, gradient);
        }
    }

    /// The root of the sum of all squares.
    pub(crate) fn norm(&self) -> f64 {
        self.squares().map(f64::from).sum::<f64>().sqrt()
    }

    /// Whether all are finite, and their squares.
    pub(crate) fn is_finite(&self) -> bool {
        self.squares().all(f32::is_finite)
    }

    /// The sum of the squares of each. The device is waited for once.
    fn squares(&self) -> impl Iterator<Item = f32> {
        let squares = self.0.values().map(|gradient| match gradient {
            Gradient::Vector(g) => g.clone().square().sum(),
            Gradient::Matrix(g) => g.clone().square().sum(),
        });
        let squares: Vec<Tensor<1>> = squares.collect();
        let all = if squares.is_empty() {
            Vec::new()
        } else {
            transformer::numbers(&Tensor::cat(squares, 0))
        };
        all.into_iter()
    }

    /// Multiplies all.
    pub(crate) fn scale(&mut self, factor: f64) {
        for gradient in self.0.values_mut() {
            match gradient {
                Gradient::Vector(g) => g.inplace(|g| g * factor),
                Gradient::Matrix(g) => g.inplace(|g| g * factor),
            }
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Gradient> {
        self.0.remove(name)
    }
}

/// First and second moments of one parameter's gradient.
#[derive(Debug, Clone)]
enum Moments {
    Vector([Tensor<1>; 2]),
    Matrix([Tensor<2>; 2]),
    /// Of a parameter on the processor.
    Numbers([Vec<f32>; 2]),
}

/// The optimiser.
#[derive(Debug)]
pub(crate) struct AdamW {
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    /// Steps begun.
    step: i32,
    moments: BTreeMap<String, Moments>,
}

impl AdamW {
    pub(crate) fn new(betas: [f64; 2], epsilon: f64, weight_decay: f64) -> Self {
        Self {
            betas,
            epsilon,
            weight_decay,
            step: 0,
            moments: BTreeMap::new(),
        }
    }

    /// One step: moves every parameter that `visit` hands over and that has a gradient.
    pub(crate) fn take_step(
        &mut self,
        mut gradients: Gradients,
        rate: f64,
        visit: impl FnOnce(Visit<'_>),
    ) {
        self.begin();
        visit(&mut |name, parameter| {
            if let Some(gradient) = gradients.take(name) {
                self.update(name, parameter, gradient, rate);
            }
        });
    }

    /// Begins a step: call before the parameters' updates.
    pub(crate) fn begin(&mut self) {
        self.step = self.step.saturating_add(1);
    }

    /// Moves one parameter, which stays tracked or untracked as it was.
    pub(crate) fn update(
        &mut self,
        name: &str,
        parameter: Parameter<'_>,
        gradient: Gradient,
        rate: f64,
    ) {
        let old = self.moments.remove(name);
        let is_here = is_on_processor(&parameter);
        let decay = self.weight_decay;
        let moments = match (parameter, gradient, old) {
            (Parameter::Vector(weight), Gradient::Vector(g), old) if is_here => {
                Moments::Numbers(self.moved_in_place(weight, g, numbers(old), rate, 0.0))
            }
            (Parameter::Matrix(weight), Gradient::Matrix(g), old) if is_here => {
                Moments::Numbers(self.moved_in_place(weight, g, numbers(old), rate, decay))
            }
            (Parameter::Vector(weight), Gradient::Vector(g), old) => {
                let old = match old {
                    Some(Moments::Vector(old)) => Some(old),
                    _ => None,
                };
                Moments::Vector(self.moved(weight, g, old, rate, 0.0))
            }
            (Parameter::Matrix(weight), Gradient::Matrix(g), old) => {
                let old = match old {
                    Some(Moments::Matrix(old)) => Some(old),
                    _ => None,
                };
                Moments::Matrix(self.moved(weight, g, old, rate, decay))
            }
            _ => panic!("the gradient of `{name}` has another rank than the parameter"),
        };
        self.moments.insert(name.to_owned(), moments);
    }

    /// First and second moments of the parameter called so, row-major, once it has moved.
    pub(crate) fn moments(&self, name: &str) -> Option<[Vec<f32>; 2]> {
        Some(match self.moments.get(name)? {
            Moments::Vector(moments) => moments.each_ref().map(transformer::numbers),
            Moments::Matrix(moments) => moments.each_ref().map(transformer::numbers),
            Moments::Numbers(moments) => moments.clone(),
        })
    }

    /// Sets the moments of one parameter.
    pub(crate) fn restore(
        &mut self,
        name: &str,
        parameter: &Parameter<'_>,
        moments: [Vec<f32>; 2],
    ) {
        fn tensors<const D: usize>(like: &Tensor<D>, moments: [Vec<f32>; 2]) -> [Tensor<D>; 2] {
            moments.map(|moment| {
                let data = TensorData::new(moment, like.dims());
                Tensor::from_data(data, &like.device().inner())
            })
        }
        let moments = match parameter {
            _ if is_on_processor(parameter) => Moments::Numbers(moments),
            Parameter::Vector(tensor) => Moments::Vector(tensors(tensor, moments)),
            Parameter::Matrix(tensor) => Moments::Matrix(tensors(tensor, moments)),
        };
        self.moments.insert(name.to_owned(), moments);
    }

    /// Goes on after `step` steps.
    pub(crate) fn restore_step(&mut self, step: usize) {
        self.step = i32::try_from(step).unwrap_or(i32::MAX);
    }

    /// The same on the processor: one pass over the numbers, in place when nobody else holds the tensor.
    fn moved_in_place<const D: usize>(
        &self,
        weight: &mut Tensor<D>,
        g: Tensor<D>,
        old: Option<[Vec<f32>; 2]>,
        rate: f64,
        weight_decay: f64,
    ) -> [Vec<f32>; 2] {
        let gradient = g.into_data();
        let gradient = slice(gradient.as_slice());
        let zeros = || vec![0.0; gradient.len()];
        let [mut first, mut second] = old.unwrap_or_else(|| [zeros(), zeros()]);
        let [b1, b2] = self.betas;
        let step = AdamWStep {
            betas: [b1 as f32, b2 as f32],
            rate: (rate / (1.0 - b1.powi(self.step))) as f32,
            second_scale: (1.0 / (1.0 - b2.powi(self.step))) as f32,
            epsilon: self.epsilon as f32,
            kept: (1.0 - rate * weight_decay) as f32,
        };
        weight.inplace(|weight| {
            let is_tracked = weight.is_require_grad();
            let weight = if weight.device().is_autodiff() {
                weight.inner()
            } else {
                weight
            };
            let device = weight.device();
            let mut data = weight.into_data();
            kernel::adamw(
                step,
                slice(data.as_mut_slice()),
                [&mut first, &mut second],
                gradient,
            );
            let weight = Tensor::from_data(data, &device);
            if is_tracked {
                weight.autodiff().require_grad()
            } else {
                weight
            }
        });
        [first, second]
    }

    fn moved<const D: usize>(
        &self,
        weight: &mut Tensor<D>,
        g: Tensor<D>,
        old: Option<[Tensor<D>; 2]>,
        rate: f64,
        weight_decay: f64,
    ) -> [Tensor<D>; 2] {
        let [b1, b2] = self.betas;
        let square = g.clone().square();
        let [first, second] = match old {
            Some([first, second]) => [
                first * b1 + g * (1.0 - b1),
                second * b2 + square * (1.0 - b2),
            ],
            None => [g * (1.0 - b1), square * (1.0 - b2)],
        };
        let rate1 = rate / (1.0 - b1.powi(self.step));
        let scale2 = 1.0 / (1.0 - b2.powi(self.step));
        let root = (second.clone() * scale2).sqrt() + self.epsilon;
        let change = first.clone() * rate1 / root;
        weight.inplace(|weight| {
            let is_tracked = weight.is_require_grad();
            let weight = weight.inner();
            let weight = match weight_decay {
                0.0 => weight - change,
                decay => weight * (1.0 - rate * decay) - change,
            };
            if is_tracked {
                weight.autodiff().require_grad()
            } else {
                weight
            }
        });
        [first, second]
    }
}

/// A step of plain gradient descent, `w ← w − η g`; the parameter stays tracked or untracked as it was.
pub(crate) fn descend(name: &str, parameter: Parameter<'_>, gradient: Gradient, rate: f64) {
    fn moved<const D: usize>(weight: Tensor<D>, g: Tensor<D>, rate: f64) -> Tensor<D> {
        if weight.is_require_grad() {
            return (weight.inner() - g * rate).autodiff().require_grad();
        }
        weight - g * rate
    }
    match (parameter, gradient) {
        (Parameter::Vector(weight), Gradient::Vector(g)) => weight.inplace(|w| moved(w, g, rate)),
        (Parameter::Matrix(weight), Gradient::Matrix(g)) => weight.inplace(|w| moved(w, g, rate)),
        _ => panic!("the gradient of `{name}` has another rank than the parameter"),
    }
}

fn is_on_processor(parameter: &Parameter<'_>) -> bool {
    let device = match parameter {
        Parameter::Vector(weight) => weight.device(),
        Parameter::Matrix(weight) => weight.device(),
    };
    device.inner() == Device::flex()
}

fn numbers(moments: Option<Moments>) -> Option<[Vec<f32>; 2]> {
    match moments {
        Some(Moments::Numbers(numbers)) => Some(numbers),
        _ => None,
    }
}

/// Numbers that are in single precision, as everything on the processor is.
fn slice<T, E: std::fmt::Debug>(numbers: Result<T, E>) -> T {
    match numbers {
        Ok(numbers) => numbers,
        Err(error) => panic!("the processor holds tensors in single precision: {error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_equal_the_equations_in_double_precision() {
        let device = Device::flex();
        let mut adamw = AdamW::new([0.9, 0.99], 1e-8, 0.1);
        let gradients = [[0.5_f64, -2.0], [1.5, 0.25], [-0.5, 0.0]];
        for decay in [0.0, 0.1] {
            let mut plain = [1.0_f64, -3.0];
            let (mut m, mut v) = ([0.0; 2], [0.0; 2]);
            let mut vector = Tensor::<1>::from_floats([1.0, -3.0], &device);
            let mut matrix = Tensor::<2>::from_floats([[1.0, -3.0]], &device);
            adamw.step = 0;
            adamw.moments.clear();
            for (k, g) in (1..).zip(gradients) {
                adamw.begin();
                for i in 0..2 {
                    m[i] = 0.9 * m[i] + 0.1 * g[i];
                    v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i];
                    let m_hat = m[i] / (1.0 - 0.9_f64.powi(k));
                    let v_hat: f64 = v[i] / (1.0 - 0.99_f64.powi(k));
                    plain[i] -= 0.05 * (m_hat / (v_hat.sqrt() + 1e-8) + decay * plain[i]);
                }
                let g = Tensor::<1>::from_floats(g, &device);
                let got: Vec<f32> = if decay == 0.0 {
                    let parameter = Parameter::Vector(&mut vector);
                    adamw.update("v", parameter, Gradient::Vector(g), 0.05);
                    vector.try_to_vec_as().unwrap()
                } else {
                    let parameter = Parameter::Matrix(&mut matrix);
                    adamw.update("m", parameter, Gradient::Matrix(g.unsqueeze()), 0.05);
                    matrix.try_to_vec_as().unwrap()
                };
                for (got, want) in got.into_iter().zip(plain) {
                    assert!(
                        (f64::from(got) - want).abs() < 1e-6,
                        "step {k}: {got} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_norm_is_over_everything_and_gradients_add() {
        let device = Device::flex();
        let mut gradients = Gradients::default();
        for _ in 0..2 {
            let g = Tensor::<1>::from_floats([0.75, 1.0], &device);
            gradients.add("a", Gradient::Vector(g));
        }
        gradients.add("b", Gradient::Matrix(Tensor::from_floats([[6.0]], &device)));
        assert!((gradients.norm() - 6.5).abs() < 1e-6);
        gradients.scale(0.5);
        assert!((gradients.norm() - 3.25).abs() < 1e-6);
    }
}
