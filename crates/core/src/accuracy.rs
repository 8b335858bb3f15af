//! Accuracy: a share of correct answers, as a fraction.

/// A finite fraction in `[0, 1]`: 0.62, not 62.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Accuracy(f64);

/// Why a number is no accuracy.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not an accuracy: expected a fraction between 0 and 1")]
pub struct AccuracyError(pub f64);

impl Accuracy {
    /// Checks that `fraction` is finite and within `[0, 1]`.
    ///
    /// # Errors
    ///
    /// [`AccuracyError`] when it is not.
    pub fn new(fraction: f64) -> Result<Self, AccuracyError> {
        if (0.0..=1.0).contains(&fraction) {
            Ok(Self(fraction))
        } else {
            Err(AccuracyError(fraction))
        }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_nan_are_refused() {
        assert!(Accuracy::new(62.0).is_err());
        assert!(Accuracy::new(f64::NAN).is_err());
        assert_eq!(Accuracy::new(0.62).map(Accuracy::get), Ok(0.62));
    }
}
