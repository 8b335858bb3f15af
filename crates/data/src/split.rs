//! Who learns from which rows: the weak supervisor's half, the student's half, and the test split.
//!
//! Paper: Burns et al. 2023, arXiv:2312.09390, section 3: the weak supervisor learns from ground
//! truth on one half, the student from the supervisor's labels on the other.
//!
//! ```text
//! test  = the declared test split, else round(f n) rows drawn by the seed
//! weak  = first ceil(m / 2) of the other m rows, shuffled     student = the rest
//! ```
//!
//! In: a data set, its config, a seed. Out: row numbers; every row is in exactly one part.
//! Rows of one group are never in different halves, nor (where the test split is drawn here) partly
//! in the test split. A declared test split stands as declared, and is refused where it parts a group.
//! Differs from the paper: nowhere; `openai` follows its code row for row (`shuffle(seed)`, then
//! `train_test_split(0.5, seed)`, both NumPy permutations). Only without a declared test split,
//! which upstream's data always have, it is drawn as above.
//! Parity: the permutations in `tests/golden/w2s_rng.json`.

use std::collections::HashMap;

use trimtab_core::{AnswerIdx, SampleId, Seed};

use crate::config::{DataConfig, SplitConfig};
use crate::dataset::Dataset;
use crate::numpy_rng::NumpyRng;
use crate::rows::Part;

/// Row numbers of the three parts, in the order in which they are to be learnt from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// The weak supervisor learns from these, with ground truth.
    pub weak_train: Vec<usize>,
    /// The student learns from these, with the supervisor's labels; the ceiling, with ground truth.
    pub student_train: Vec<usize>,
    /// Everything is measured on these.
    pub test: Vec<usize>,
}

/// Why a data set cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A part would be empty.
    #[error("{set}: of {n_rows} rows none are left for {part}")]
    Empty {
        /// The data set.
        set: String,
        /// Which part.
        part: &'static str,
        /// Rows in all.
        n_rows: usize,
    },
    /// A part would have a single class.
    #[error("{set}: all {n_rows} rows for {part} have the label {label:?}")]
    OneClass {
        /// The data set.
        set: String,
        /// Which part.
        part: &'static str,
        /// The only label.
        label: String,
        /// Rows of the part.
        n_rows: usize,
    },
    /// A declared test split has a part of a group in it.
    #[error("{set}: samples {train} (train) and {test} (test) are of one group")]
    Torn {
        /// The data set.
        set: String,
        /// One of the group to learn from.
        train: SampleId,
        /// One to measure on.
        test: SampleId,
    },
    /// Upstream's splits know no groups.
    #[error("{set}: `split.kind = \"openai\"` cannot keep groups together")]
    Groups {
        /// The data set.
        set: String,
    },
}

impl SplitError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty { .. } => "use more rows (`limit`), or a smaller `test`".into(),
            Self::OneClass { .. } => {
                "shuffle the file, use more rows, or draw the test split here with `test`".into()
            }
            Self::Torn { .. } => "draw the test split here, with `test`: it keeps groups together; \
                or correct the split column. Questions with texts to choose from are grouped by prompt"
                .into(),
            Self::Groups { .. } => "leave out `columns.group`, or set \
                `split = { kind = \"seeded\" }`. Questions with texts to choose from are grouped \
                by prompt, chess questions by puzzle"
                .into(),
        }
    }
}

impl Splits {
    /// Splits the rows of `dataset`.
    ///
    /// # Errors
    ///
    /// [`SplitError`] when a part would be empty or have a single class, or when upstream's splits
    /// are asked for together with groups.
    pub fn new(dataset: &Dataset, config: &DataConfig, seed: Seed) -> Result<Self, SplitError> {
        let rows = Rows {
            n: dataset.questions.len(),
            declared: dataset.declared_split.as_deref(),
            groups: dataset.groups.as_deref(),
        };
        if let Some((train, test)) = rows.torn() {
            let id = |row: usize| dataset.questions[row].id.clone();
            return Err(SplitError::Torn {
                set: dataset.name.clone(),
                train: id(train),
                test: id(test),
            });
        }
        let splits = rows.split(&dataset.name, config, seed)?;
        for (part, rows) in splits.parts() {
            let answer = |&row: &usize| dataset.key.answer(&dataset.questions[row].id).ok();
            let mut answers = rows.iter().map(answer);
            let first = answers.next();
            if let Some(Some(AnswerIdx(only))) = first
                && answers.all(|answer| answer == Some(AnswerIdx(only)))
            {
                return Err(SplitError::OneClass {
                    set: dataset.name.clone(),
                    part,
                    label: dataset
                        .answers
                        .names()
                        .nth(only)
                        .unwrap_or_default()
                        .to_owned(),
                    n_rows: rows.len(),
                });
            }
        }
        Ok(splits)
    }

    fn parts(&self) -> [(&'static str, &[usize]); 3] {
        [
            ("the test split", &self.test),
            ("the weak supervisor's half", &self.weak_train),
            ("the student's half", &self.student_train),
        ]
    }
}

/// What splitting depends on.
#[derive(Debug, Clone, Copy)]
struct Rows<'d> {
    n: usize,
    declared: Option<&'d [Part]>,
    groups: Option<&'d [u32]>,
}

impl Rows<'_> {
    fn split(self, set: &str, config: &DataConfig, seed: Seed) -> Result<Splits, SplitError> {
        let upstream = match config.split {
            SplitConfig::Seeded {} => None,
            SplitConfig::Openai { .. } if self.groups.is_some() => {
                return Err(SplitError::Groups {
                    set: set.to_owned(),
                });
            }
            SplitConfig::Openai { seed: declared } => Some(declared.unwrap_or(seed.0)),
        };
        let seed = seed.child("split");
        let all = 0..self.n;
        let (test, train): (Vec<usize>, Vec<usize>) = if let Some(parts) = self.declared {
            all.partition(|&row| parts[row] == Part::Test)
        } else {
            let n_test = config.test.unwrap_or_default().of(self.n);
            let (mut test, mut train) = self.share(all.collect(), n_test, seed.child("test"));
            test.sort_unstable();
            train.sort_unstable();
            (test, train)
        };
        let (weak_train, student_train) = match upstream {
            None => {
                let n_weak = train.len().div_ceil(2);
                self.share(train, n_weak, seed)
            }
            Some(seed) => openai_halves(&train, seed),
        };
        let splits = Splits {
            weak_train,
            student_train,
            test,
        };
        if let Some((part, _)) = splits.parts().into_iter().find(|(_, rows)| rows.is_empty()) {
            return Err(SplitError::Empty {
                set: set.to_owned(),
                part,
                n_rows: self.n,
            });
        }
        Ok(splits)
    }

    /// A row of the training split and one of the test split that belong to one group, as declared.
    fn torn(self) -> Option<(usize, usize)> {
        let (parts, groups) = (self.declared?, self.groups?);
        let mut first_of = HashMap::new();
        (0..self.n).find_map(|row| {
            let first = *first_of.entry(groups[row]).or_insert(row);
            match (parts[first], parts[row]) {
                (Part::Train, Part::Test) => Some((first, row)),
                (Part::Test, Part::Train) => Some((row, first)),
                _ => None,
            }
        })
    }

    /// Shuffles `rows`, group by group, and fills a first share of at most `n_first` rows.
    fn share(self, rows: Vec<usize>, n_first: usize, seed: Seed) -> (Vec<usize>, Vec<usize>) {
        let mut units: Vec<Vec<usize>> = Vec::new();
        match self.groups {
            None => units.extend(rows.into_iter().map(|row| vec![row])),
            Some(groups) => {
                let mut unit_of = HashMap::new();
                for row in rows {
                    let unit = *unit_of.entry(groups[row]).or_insert_with(|| {
                        units.push(Vec::new());
                        units.len() - 1
                    });
                    units[unit].push(row);
                }
            }
        }
        seed.stream().shuffle(&mut units);
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for unit in units {
            let fits = first.len() + unit.len() <= n_first;
            if fits { &mut first } else { &mut rest }.extend(unit);
        }
        (first, rest)
    }
}

/// `shuffle(seed)` and then `train_test_split(test_size=0.5, seed)`: weak half, student's half.
fn openai_halves(rows: &[usize], seed: u64) -> (Vec<usize>, Vec<usize>) {
    let order = || NumpyRng::new(seed).permutation(rows.len());
    let shuffled: Vec<usize> = order().into_iter().map(|i| rows[i]).collect();
    let halved: Vec<usize> = order().into_iter().map(|i| shuffled[i]).collect();
    let (student, weak) = halved.split_at(rows.len().div_ceil(2));
    (weak.to_vec(), student.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::TestSize;
    use crate::{Locations, load};

    fn config(test: TestSize) -> DataConfig {
        DataConfig {
            test: Some(test),
            ..DataConfig::new("x.csv")
        }
    }

    fn check_cover(splits: &Splits, n: usize) {
        let mut all = [&splits.weak_train[..], &splits.student_train, &splits.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..n).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_cover_all_and_repeat(n in 8..200usize, seed: u64, openai: bool) {
            let mut config = config(TestSize::Fraction(0.25));
            if openai {
                config.split = SplitConfig::Openai { seed: None };
            }
            let rows = Rows { n, declared: None, groups: None };
            let splits = rows.split("x", &config, Seed(seed)).unwrap();
            check_cover(&splits, n);
            prop_assert_eq!(splits.test.len(), TestSize::Fraction(0.25).of(n));
            prop_assert!(splits.weak_train.len().abs_diff(splits.student_train.len()) <= 1);
            prop_assert_eq!(&rows.split("x", &config, Seed(seed)).unwrap(), &splits);
        }

        #[test]
        fn groups_stay_together(groups in prop::collection::vec(0..30u32, 60..120), seed: u64) {
            let rows = Rows { n: groups.len(), declared: None, groups: Some(&groups) };
            let config = config(TestSize::Fraction(0.25));
            let splits = rows.split("x", &config, Seed(seed)).unwrap();
            check_cover(&splits, groups.len());
            let mut part_of = HashMap::new();
            for (part, rows) in splits.parts() {
                for &row in rows {
                    prop_assert_eq!(*part_of.entry(groups[row]).or_insert(part), part);
                }
            }
        }

        #[test]
        fn a_declared_test_split_stands(tests in prop::collection::vec(any::<bool>(), 40..80), seed: u64) {
            let declared: Vec<Part> =
                tests.iter().map(|&test| if test { Part::Test } else { Part::Train }).collect();
            let rows = Rows { n: declared.len(), declared: Some(&declared), groups: None };
            let splits = rows.split("x", &DataConfig::new("x"), Seed(seed)).unwrap();
            check_cover(&splits, declared.len());
            let test: Vec<usize> = (0..declared.len()).filter(|&row| tests[row]).collect();
            prop_assert_eq!(splits.test, test);
        }
    }

    #[test]
    fn upstream_halves_compose_two_equal_permutations() {
        // NumPy: s = rows[default_rng(7).permutation(11)]; h = s[default_rng(7).permutation(11)];
        // student = h[:6], weak = h[6:]
        let rows: Vec<usize> = (0..11).collect();
        let (weak, student) = openai_halves(&rows, 7);
        assert_eq!(student, UPSTREAM_STUDENT);
        assert_eq!(weak, UPSTREAM_WEAK);
    }

    const UPSTREAM_STUDENT: [usize; 6] = [1, 8, 9, 4, 6, 0];
    const UPSTREAM_WEAK: [usize; 5] = [2, 7, 10, 3, 5];

    #[test]
    fn empty_and_one_class_parts_are_refused() {
        let split = |set: &str, test| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("x.csv"), set).unwrap();
            let config = DataConfig {
                test,
                ..DataConfig::new("x.csv")
            };
            let set = load(&config, &Locations::new(folder.path())).unwrap();
            Splits::new(&set, &config, Seed(0)).unwrap_err()
        };
        let rows = "text,label\na,0\nb,1\nc,0\nd,1\n";
        let error = split(rows, Some(TestSize::Count(4)));
        assert_eq!(
            error.to_string(),
            "x: of 4 rows none are left for the weak supervisor's half"
        );
        let rows = "text,label,split\na,0,train\nb,1,train\nc,0,train\nd,1,train\ne,1,test\n";
        let error = split(rows, None);
        assert_eq!(
            error.to_string(),
            "x: all 1 rows for the test split have the label \"1\""
        );
        assert!(error.hint().contains("`test`"));
    }

    #[test]
    fn upstream_splits_know_no_groups() {
        let mut config = config(TestSize::Count(2));
        config.split = SplitConfig::Openai { seed: Some(1) };
        let rows = Rows {
            n: 6,
            declared: None,
            groups: Some(&[0, 0, 1, 1, 2, 2]),
        };
        let error = rows.split("x", &config, Seed(0)).unwrap_err();
        assert_eq!(error, SplitError::Groups { set: "x".into() });
    }

    #[test]
    fn a_declared_split_may_not_part_a_group() {
        let torn = |declared: [Part; 3]| {
            let rows = Rows {
                n: 3,
                declared: Some(&declared),
                groups: Some(&[0, 1, 0]),
            };
            rows.torn()
        };
        let (train, test) = (Part::Train, Part::Test);
        assert_eq!(torn([train, test, test]), Some((0, 2)));
        assert_eq!(torn([test, train, train]), Some((2, 0)));
        assert_eq!(torn([test, train, test]), None);
    }
}
