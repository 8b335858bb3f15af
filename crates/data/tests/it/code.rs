//! The built-in programs, their splits and their features.

use trimtab_core::Seed;
use trimtab_data::{DataConfig, Dataset, Locations, Splits, load};

use super::candidates::check_groups;

fn values(set: &Dataset, name: &str) -> (usize, Vec<f32>) {
    let features = set.features.iter().find(|f| f.name == name).unwrap();
    let rows = features.table.rows(&set.questions).unwrap();
    let mut out = vec![0.0; rows.len() * rows.dim()];
    rows.read(0..rows.len(), rows.dim(), &mut out);
    (rows.dim(), out)
}

#[test]
fn no_problem_is_in_two_splits_and_none_tells_the_answer() {
    let config = DataConfig::new("builtin:code-correctness");
    let set = load(&config, &Locations::new(".")).unwrap();
    assert_eq!(set.questions.len(), 1588);
    let is_correct = |row: usize| set.key.answer(&set.questions[row].id).unwrap().0 == 1;
    assert_eq!(
        set.answers.names().collect::<Vec<_>>(),
        ["correct", "wrong"]
    );
    for seed in 0..3 {
        let splits = Splits::new(&set, &config, Seed(seed)).unwrap();
        check_groups(&set, &splits);
    }
    // As many of each in every problem, so also in every split.
    let groups = set.groups.as_ref().unwrap();
    let n_groups = *groups.iter().max().unwrap() as usize + 1;
    assert_eq!(n_groups, 164);
    let mut balance = vec![0_i32; n_groups];
    for (row, &group) in groups.iter().enumerate() {
        balance[group as usize] += if is_correct(row) { 1 } else { -1 };
    }
    assert_eq!(balance, vec![0; n_groups]);
}

#[test]
fn joined_features_are_both_side_by_side() {
    let mut config = DataConfig::new("builtin:code-correctness");
    config.limit = Some(30);
    let set = load(&config, &Locations::new(".")).unwrap();
    let (n_static, read) = values(&set, "code-static");
    let (n_run, run) = values(&set, "code-run");
    let (n_both, both) = values(&set, "code-deep");
    assert_eq!((n_static, n_run, n_both), (26, 9, 35));
    for row in 0..30 {
        let expected = [&read[row * 26..][..26], &run[row * 9..][..9]].concat();
        assert_eq!(both[row * 35..][..35], expected[..]);
    }
}
