//! What raters may say: categories with names, an order and values, and what may be read from those.

use serde::Serialize;
use trimtab_core::Scale;

/// The categories of a panel, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Categories {
    names: Vec<String>,
    values: Vec<f64>,
    scale: Scale,
}

/// Why names or values are no categories.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CategoriesError {
    /// Where one thing alone can be said, nothing is.
    #[error("a scale of {n} categories: raters need at least two to choose from")]
    TooFew {
        /// How many there are.
        n: usize,
    },
    /// More than a rating can name.
    #[error("a scale of {n} categories: there can be {}", u16::MAX)]
    TooMany {
        /// How many there are.
        n: usize,
    },
    /// A name that stands twice.
    #[error("category {name:?} stands twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// Values that do not rise.
    #[error("value {second} comes after {first}: values of categories must rise")]
    NotRising {
        /// The one before.
        first: f64,
        /// The one that is no greater, or no number.
        second: f64,
    },
    /// Less than nothing.
    #[error("value {value} is negative: a ratio scale begins at 0")]
    Negative {
        /// The value.
        value: f64,
    },
}

impl CategoriesError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => "list every category that could have been chosen, chosen or not",
            Self::TooMany { .. } => "round values to fewer steps",
            Self::Twice { .. } => "name each category once",
            Self::NotRising { .. } => "list values from the lowest to the highest, each once",
            Self::Negative { .. } => "use the interval scale",
        }
    }
}

impl Categories {
    /// Names without an order.
    ///
    /// # Errors
    ///
    /// [`CategoriesError`] for fewer than two names, or one that stands twice.
    pub fn nominal(names: impl IntoIterator<Item = String>) -> Result<Self, CategoriesError> {
        Self::named(names, Scale::Nominal)
    }

    /// Names from the lowest to the highest.
    ///
    /// # Errors
    ///
    /// [`CategoriesError`] for fewer than two names, or one that stands twice.
    pub fn ordinal(names: impl IntoIterator<Item = String>) -> Result<Self, CategoriesError> {
        Self::named(names, Scale::Ordinal)
    }

    /// Values that can be subtracted, rising.
    ///
    /// # Errors
    ///
    /// [`CategoriesError`] for fewer than two values, or such as do not rise.
    pub fn interval(values: impl IntoIterator<Item = f64>) -> Result<Self, CategoriesError> {
        Self::valued(values, Scale::Interval)
    }

    /// Values that can be divided, rising from 0 or more.
    ///
    /// # Errors
    ///
    /// [`CategoriesError`] for fewer than two values, such as do not rise, or negative ones.
    pub fn ratio(values: impl IntoIterator<Item = f64>) -> Result<Self, CategoriesError> {
        let categories = Self::valued(values, Scale::Ratio)?;
        match categories.values[0] {
            value if value < 0.0 => Err(CategoriesError::Negative { value }),
            _ => Ok(categories),
        }
    }

    fn named(
        names: impl IntoIterator<Item = String>,
        scale: Scale,
    ) -> Result<Self, CategoriesError> {
        let names: Vec<String> = names.into_iter().collect();
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                return Err(CategoriesError::Twice { name: name.clone() });
            }
        }
        let values = (0..names.len()).map(|i| i as f64).collect();
        Self {
            names,
            values,
            scale,
        }
        .checked()
    }

    fn valued(
        values: impl IntoIterator<Item = f64>,
        scale: Scale,
    ) -> Result<Self, CategoriesError> {
        let values: Vec<f64> = values.into_iter().collect();
        for two in values.windows(2) {
            let rises = two[0] < two[1] && two[0].is_finite() && two[1].is_finite();
            if !rises {
                return Err(CategoriesError::NotRising {
                    first: two[0],
                    second: two[1],
                });
            }
        }
        Self {
            names: values.iter().map(f64::to_string).collect(),
            values,
            scale,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, CategoriesError> {
        match self.names.len() {
            n @ (0 | 1) => Err(CategoriesError::TooFew { n }),
            n if n > usize::from(u16::MAX) => Err(CategoriesError::TooMany { n }),
            _ => Ok(self),
        }
    }

    /// How many there are: two at least.
    #[expect(clippy::len_without_is_empty, reason = "there are two at least")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Their names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Their values; of names, their positions from 0.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// What the values mean.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Where a name stands.
    pub fn position(&self, name: &str) -> Option<u16> {
        let at = self.names.iter().position(|other| other == name)?;
        u16::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_that_are_none_say_why() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let said = [
            Categories::nominal(names(&["yes"])),
            Categories::ordinal(names(&["low", "high", "low"])),
            Categories::interval([1.0, 3.0, 2.0]),
            Categories::interval([1.0, f64::NAN]),
            Categories::ratio([-1.0, 2.0]),
            Categories::interval((0..70_000).map(f64::from)),
        ]
        .map(|result| result.unwrap_err().to_string());
        assert_eq!(
            said,
            [
                "a scale of 1 categories: raters need at least two to choose from",
                "category \"low\" stands twice",
                "value 2 comes after 3: values of categories must rise",
                "value NaN comes after 1: values of categories must rise",
                "value -1 is negative: a ratio scale begins at 0",
                "a scale of 70000 categories: there can be 65535",
            ]
        );
    }

    #[test]
    fn names_have_positions() {
        let categories = Categories::interval([0.5, 2.0]).unwrap();
        assert_eq!(categories.names(), ["0.5", "2"]);
        assert_eq!(
            (categories.position("2"), categories.position("3")),
            (Some(1), None)
        );
    }
}
