//! The evidence game on a set of labelled texts: the judge alone, with random evidence, in a debate; and as the supervisor of a
//! student, whose gap recovered (PGR) is printed.
//!
//! ```text
//! cargo run --release -p trimtab-evidence --example text_game -- [SET] [SEEDS] [PIECES] [words|sentences]
//! ```
//!
//! The judge learns from ground truth on the weak half. On the test split, honest play argues for the truth and wins or loses
//! exactly; as a supervisor nobody knows the truth: both answers are argued. The student is a linear probe on the set's frozen
//! features; its ceiling learns ground truth on the same half.

use std::num::NonZeroUsize;

use trimtab_core::{
    AnswerKey, Distribution, GroundTruth, Judgement, Lesson, Question, Seed, Supervisor,
    TrainingLabels, Workplace,
};
use trimtab_data::{DataConfig, Dataset, Locations, Splits, load};
use trimtab_evidence::minimax::value;
use trimtab_evidence::{
    Board, Game, Items, RivalClaim, Shown, Side, TextEvidenceConfig, TextEvidenceStudent,
    TextEvidenceSupervisor,
};
use trimtab_probe::{Dense, Design as _, Preconditioner, SoftCrossEntropy, SolverOptions, solve};
use trimtab_stats::{Clusters, Level, clustered_share, mean_of_few};

type Failure = Box<dyn std::error::Error>;

/// The probe's penalty, as for features in `weak_to_strong`.
const L2: f64 = 3e-4;

/// What was right, by name, in the order in which it is printed: the item, and whether.
#[derive(Default)]
struct Counts(Vec<(String, Vec<(usize, bool)>)>);

impl Counts {
    fn add(&mut self, name: &str, right: impl IntoIterator<Item = bool>) {
        let right = right.into_iter().enumerate();
        match self.0.iter_mut().find(|(known, ..)| known == name) {
            Some((_, all)) => all.extend(right),
            None => self.0.push((name.to_owned(), right.collect())),
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what an example is for")]
fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let set = arguments.next().unwrap_or("builtin:rotten-tomatoes".into());
    let seeds: u64 = arguments.next().map_or(Ok(5), |n| n.parse())?;
    let mut config = TextEvidenceConfig::default();
    if let Some(pieces) = arguments.next() {
        config.pieces = pieces.parse::<NonZeroUsize>()?;
    }
    if arguments.next().as_deref() == Some("sentences") {
        config.items = Items::Sentences;
    }
    let data = DataConfig::new(&set);
    let set = load(&data, &Locations::new("."))?;
    let mut counts = Counts::default();
    let mut recovered: Vec<(Shown, Vec<f64>)> = Vec::new();
    for seed in 0..seeds {
        let splits = Splits::new(&set, &data, Seed(seed).child("split"))?;
        one_seed(
            &set,
            &splits,
            &config,
            Seed(seed),
            &mut counts,
            &mut recovered,
        )?;
    }
    println!(
        "{} seeds, {} pieces of {:?}",
        seeds, config.pieces, config.items
    );
    for (name, all) in &counts.0 {
        // Test items are the same under every seed, where the split is declared.
        let clusters = Clusters::new(all.iter().map(|(item, _)| *item));
        let right: Vec<bool> = all.iter().map(|(_, right)| *right).collect();
        let share = clustered_share(&right, &clusters, Level::default()).ok_or("no items")?;
        println!(
            "{name:<32} {:5.1} % [{:.1}, {:.1}]",
            100.0 * share.estimate,
            100.0 * share.low,
            100.0 * share.high
        );
    }
    for (shown, values) in &recovered {
        match mean_of_few(values, Level::default()) {
            Some(mean) => println!(
                "PGR of a student taught by {shown:?}: {:.2} [{:.2}, {:.2}] over seeds",
                mean.estimate, mean.low, mean.high
            ),
            None => println!("PGR of a student taught by {shown:?}: {values:.2?}"),
        }
    }
    Ok(())
}

fn pick(set: &Dataset, rows: &[usize]) -> Vec<Question> {
    rows.iter().map(|row| set.questions[*row].clone()).collect()
}

fn one_seed(
    set: &Dataset,
    splits: &Splits,
    config: &TextEvidenceConfig,
    seed: Seed,
    counts: &mut Counts,
    recovered: &mut Vec<(Shown, Vec<f64>)>,
) -> Result<(), Failure> {
    let [weak, student, test] =
        [&splits.weak_train, &splits.student_train, &splits.test].map(|rows| pick(set, rows));
    let truth = TrainingLabels::from_key(&weak, &set.key)?;
    let lesson = Lesson {
        questions: &weak,
        labels: &truth,
        validation: None,
        seed: seed.child("judge"),
        workplace: Workplace::none(),
    };
    let taught = TextEvidenceStudent {
        name: "evidence".into(),
        config: config.clone(),
    };
    let supervisor = taught.learn_supervisor(&lesson)?;
    honest(set, &supervisor, &test, counts)?;
    let ceiling = probe(
        set,
        &student,
        &test,
        &GroundTruth::new(set.key.clone()).judge(&student)?,
    )?;
    counts.add("student: ceiling", ceiling.iter().copied());
    for shown in [Shown::Random, Shown::Debate, Shown::All] {
        let supervisor = supervisor.shown(shown);
        let weak_right = right(&supervisor.judge(&test)?, &set.key)?;
        counts.add(
            &format!("supervisor: {shown:?}"),
            weak_right.iter().copied(),
        );
        let labels = supervisor.judge(&student)?;
        let taught = probe(set, &student, &test, &labels)?;
        counts.add(&format!("student of: {shown:?}"), taught.iter().copied());
        let n = |right: &[bool]| right.iter().filter(|right| **right).count() as f64;
        let pgr = (n(&taught) - n(&weak_right)) / (n(&ceiling) - n(&weak_right));
        match recovered.iter_mut().find(|(known, _)| *known == shown) {
            Some((_, values)) => values.push(pgr),
            None => recovered.push((shown, vec![pgr])),
        }
    }
    Ok(())
}

/// Honest players argue for the truth: who wins, if both play perfectly?
fn honest(
    set: &Dataset,
    supervisor: &TextEvidenceSupervisor,
    test: &[Question],
    counts: &mut Counts,
) -> Result<(), Failure> {
    let (judge, config) = (supervisor.trained(), supervisor.config());
    let texts = config.cut(test.iter().map(|question| &*question.text));
    let (mut first_wins, mut last_wins) = (Vec::new(), Vec::new());
    for (case, question) in test.iter().enumerate() {
        let claim = set.key.answer(&question.id)?.0;
        let mut board = Board::new(judge, &texts, case);
        let mut wins = |first| {
            let game = Game {
                claim,
                rival: RivalClaim::Label(1 - claim),
                pieces: config.pieces.get(),
                first,
            };
            value(&mut board, &game) > 0.0
        };
        first_wins.push(wins(Side::Claimant));
        last_wins.push(wins(Side::Rival));
    }
    counts.add("debate, honest first", first_wins.iter().copied());
    counts.add("debate, honest last", last_wins.iter().copied());
    counts.add("debate, mean of both orders", first_wins);
    counts.add("debate, mean of both orders", last_wins);
    Ok(())
}

fn right(judgements: &[Judgement], key: &AnswerKey) -> Result<Vec<bool>, Failure> {
    let right = judgements.iter().map(|judgement| {
        let said = judgement.verdict.decided().map(Distribution::answer);
        Ok(said == Some(key.answer(&judgement.id)?))
    });
    right.collect()
}

/// Which test questions a probe on the set's features gets right, taught by `judgements`.
fn probe(
    set: &Dataset,
    student: &[Question],
    test: &[Question],
    judgements: &[Judgement],
) -> Result<Vec<bool>, Failure> {
    let features = set.features.first().ok_or("the set has no features")?;
    let rows = features.table.rows(student)?;
    let design = Dense::new(&rows);
    let targets: Vec<f64> = judgements
        .iter()
        .filter_map(|judgement| judgement.verdict.decided())
        .flat_map(|said| said.probabilities().to_vec())
        .collect();
    let mut objective = SoftCrossEntropy::new(2, &targets, &vec![1.0; student.len()]);
    let solutions = solve(
        &design,
        &mut [&mut objective],
        &Preconditioner::dense(&design, L2),
        &SolverOptions::default(),
    );
    let logits = Dense::new(&features.table.rows(test)?).logits(&solutions[0].weights);
    let right = test
        .iter()
        .zip(logits)
        .map(|(question, logit)| Ok((logit > 0.0) == (set.key.answer(&question.id)?.0 == 1)));
    right.collect()
}
