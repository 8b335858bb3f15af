//! The network against its slow twin: every output and every slope in doubles, written down in the plainest way.

use super::*;
use crate::shape::tests::tiny;
use crate::shape::{Layers, Pointers};
use proptest::prelude::*;
use trimtab_core::Seed;

/// The network in doubles: one context at a time, one number at a time.
struct Twin<'a> {
    network: &'a Network,
    p: Vec<f64>,
}

type Matrix = Vec<Vec<f64>>;

impl<'a> Twin<'a> {
    fn of(network: &'a Network) -> Self {
        Self {
            network,
            p: network.parameters().iter().map(|&x| f64::from(x)).collect(),
        }
    }

    fn range(&self, name: &str) -> &[f64] {
        let (_, range) = (self.network.ranges().iter())
            .find(|(other, _)| other == name)
            .unwrap();
        &self.p[range.clone()]
    }

    /// Whose parameters a layer has.
    fn own(&self, layer: usize) -> usize {
        match self.network.shape.layers {
            Layers::Own => layer,
            Layers::Shared => 0,
        }
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (
            self.range(&format!("{name}.weight")),
            self.range(&format!("{name}.bias")),
        );
        (0..bias.len())
            .map(|j| {
                bias[j]
                    + (0..x.len())
                        .map(|i| x[i] * weight[i * bias.len() + j])
                        .sum::<f64>()
            })
            .collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (weight, bias) = (
            self.range(&format!("{name}.weight")),
            self.range(&format!("{name}.bias")),
        );
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let unit = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
        unit.zip(weight)
            .zip(bias)
            .map(|((x, w), b)| x * w + b)
            .collect()
    }

    fn embed(&self, table: &str, row: &[u8]) -> Vec<f64> {
        let Shape { width, symbols, .. } = self.network.shape;
        let table = self.range(table);
        let at =
            |field: usize, c: usize| table[(field * symbols + usize::from(row[field])) * width + c];
        (0..width)
            .map(|c| (0..row.len()).map(|field| at(field, c)).sum())
            .collect()
    }

    /// What a query makes of keys and values, head by head.
    fn attend(&self, query: &[f64], keys: &Matrix, values: &Matrix) -> Vec<f64> {
        let Shape { width, heads, .. } = self.network.shape;
        let size = width / heads;
        let mut mixed = vec![0.0; width];
        for head in 0..heads {
            let columns = head * size..(head + 1) * size;
            let weights: Vec<f64> = (keys.iter())
                .map(|key| {
                    let product: f64 = columns.clone().map(|c| query[c] * key[c]).sum();
                    (product / (size as f64).sqrt()).exp()
                })
                .collect();
            for c in columns {
                let sum: f64 = weights
                    .iter()
                    .zip(values)
                    .map(|(w, value)| w * value[c])
                    .sum();
                mixed[c] = sum / weights.iter().sum::<f64>();
            }
        }
        mixed
    }

    fn rest_of_block(&self, name: &str, x: &[f64], mixed: &[f64]) -> Vec<f64> {
        let mixed = self.linear(&format!("{name}.mix"), mixed);
        let middle: Vec<f64> = x.iter().zip(&mixed).map(|(x, y)| x + y).collect();
        let up = self.linear(
            &format!("{name}.up"),
            &self.norm(&format!("{name}.norm2"), &middle),
        );
        let gelu = |x: f64| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + u.tanh())
        };
        let inner: Vec<f64> = up.into_iter().map(gelu).collect();
        let down = self.linear(&format!("{name}.down"), &inner);
        middle.iter().zip(&down).map(|(x, y)| x + y).collect()
    }

    /// `P(symbol)` of every question of context `i`, output by output.
    fn answer(&self, facts: &Rows, questions: &Rows, i: usize) -> Vec<Vec<Vec<f64>>> {
        let shape = &self.network.shape;
        let width = shape.width;
        let mut x: Matrix = vec![self.range("extra").to_vec()];
        x.extend(
            facts
                .context(i)
                .map(|row| self.embed("facts", facts.row(row))),
        );
        for layer in 0..shape.encoder_layers {
            let name = format!("encoder.{}", self.own(layer));
            let normed: Matrix = x
                .iter()
                .map(|x| self.norm(&format!("{name}.norm1"), x))
                .collect();
            let pairs: Matrix = normed
                .iter()
                .map(|y| self.linear(&format!("{name}.pairs"), y))
                .collect();
            let keys: Matrix = pairs.iter().map(|pair| pair[..width].to_vec()).collect();
            let values: Matrix = pairs.iter().map(|pair| pair[width..].to_vec()).collect();
            x = (x.iter().zip(&normed))
                .map(|(x, y)| {
                    let mixed =
                        self.attend(&self.linear(&format!("{name}.query"), y), &keys, &values);
                    self.rest_of_block(&name, x, &mixed)
                })
                .collect();
        }
        let memory: Matrix = (x.iter())
            .map(|x| self.linear("memory", &self.norm("encoder.norm", x)))
            .collect();
        let columns = |from: usize| -> Matrix {
            memory
                .iter()
                .map(|row| row[from..from + width].to_vec())
                .collect()
        };
        let mut all = Vec::new();
        for row in questions.context(i) {
            let mut h = self.embed("questions", questions.row(row));
            for layer in 0..shape.answer_layers {
                let layer = self.own(layer);
                let name = format!("answer.{layer}");
                let (keys, values) = (columns(2 * layer * width), columns((2 * layer + 1) * width));
                let query = self.linear(
                    &format!("{name}.query"),
                    &self.norm(&format!("{name}.norm1"), &h),
                );
                h = self.rest_of_block(&name, &h, &self.attend(&query, &keys, &values));
            }
            let h = self.norm("answer.norm", &h);
            all.push(
                (0..shape.outputs)
                    .map(|output| self.head(&h, &memory, (facts, i), questions.row(row), output))
                    .collect(),
            );
        }
        all
    }

    fn head(
        &self,
        h: &[f64],
        memory: &Matrix,
        (facts, i): (&Rows, usize),
        question: &[u8],
        output: usize,
    ) -> Vec<f64> {
        let shape = &self.network.shape;
        let named = self.linear("name", h);
        let n_named = named.len() / shape.outputs;
        let named = &named[output * n_named..][..n_named];
        // (symbol, score)
        let mut slots: Vec<(usize, f64)> = (0..shape.symbols)
            .map(|symbol| (symbol, named[symbol]))
            .collect();
        if shape.pointers == Pointers::Fields {
            slots.extend(
                (question.iter().zip(&named[shape.symbols..]))
                    .map(|(&symbol, &score)| (usize::from(symbol), score)),
            );
            let sought = &self.linear("seek", h)[output * shape.width..][..shape.width];
            for (row, memory) in facts.context(i).zip(&memory[1..]) {
                for (field, &symbol) in facts.row(row).iter().enumerate() {
                    let at = (2 * (self.own(shape.answer_layers - 1) + 1) + field) * shape.width;
                    let product: f64 = (0..shape.width).map(|c| sought[c] * memory[at + c]).sum();
                    slots.push((usize::from(symbol), product / (shape.width as f64).sqrt()));
                }
            }
        }
        let sum: f64 = slots.iter().map(|(_, score)| score.exp()).sum();
        let mut p = vec![0.0; shape.symbols];
        for (symbol, score) in slots {
            p[symbol] += score.exp() / sum;
        }
        p
    }

    fn loss(&self, batch: Batch<'_>) -> f64 {
        let outputs = self.network.shape.outputs;
        let (mut loss, mut total) = (0.0, 0.0);
        for context in 0..batch.facts.n_contexts() {
            let answers = self.answer(batch.facts, batch.questions, context);
            for (question, answer) in batch.questions.context(context).zip(&answers) {
                for (output, p) in answer.iter().enumerate() {
                    let i = question * outputs + output;
                    let weight = f64::from(batch.weights[i]);
                    loss -= weight * p[usize::from(batch.targets[i])].ln();
                    total += weight;
                }
            }
        }
        loss / total
    }
}

/// Facts, questions, targets and weights by chance; contexts of the given numbers of facts and questions.
struct Made {
    facts: Rows,
    questions: Rows,
    targets: Vec<u8>,
    weights: Vec<f32>,
}

impl Made {
    fn new(shape: &Shape, sizes: &[(usize, usize)], seed: u64) -> Self {
        let mut stream = Seed(seed).stream();
        let mut row =
            |n: usize| -> Vec<u8> { (0..n).map(|_| stream.below(shape.symbols) as u8).collect() };
        let (mut facts, mut questions) = (
            Rows::new(shape.fact_fields),
            Rows::new(shape.question_fields),
        );
        for &(n_facts, n_questions) in sizes {
            facts.open();
            questions.open();
            (0..n_facts).for_each(|_| facts.push(&row(shape.fact_fields)));
            (0..n_questions).for_each(|_| questions.push(&row(shape.question_fields)));
        }
        let n = questions.n_rows() * shape.outputs;
        let targets = row(n);
        let weights = row(n).into_iter().map(|x| 0.5 * f32::from(x % 3)).collect();
        Self {
            facts,
            questions,
            targets,
            weights,
        }
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            facts: &self.facts,
            questions: &self.questions,
            targets: &self.targets,
            weights: &self.weights,
        }
    }
}

/// Norms and biases away from where they begin, so that nothing cancels.
fn shaken(shape: Shape, seed: u64) -> Network {
    let network = Network::new(shape.clone(), Seed(seed)).unwrap();
    let mut stream = Seed(seed).child("shaken").stream();
    let p = (network.parameters().iter())
        .map(|x| x + 0.2 * stream.next_normal() as f32)
        .collect();
    Network::with_parameters(shape, p).unwrap()
}

fn answers(network: &Network, facts: &Rows, questions: &Rows) -> Answers {
    let (mut encoded, mut answers) = (Encoded::default(), Answers::default());
    network.encode(facts, &mut encoded).unwrap();
    network.answer(&encoded, questions, &mut answers).unwrap();
    answers
}

fn without_pointers() -> Shape {
    Shape {
        pointers: Pointers::None,
        encoder_layers: 0,
        ..tiny()
    }
}

fn with_shared_layers() -> Shape {
    Shape {
        layers: Layers::Shared,
        ..tiny()
    }
}

#[test]
fn slopes_of_every_parameter_are_the_twins_differences() {
    for (shape, sizes) in [
        (tiny(), &[(3, 2), (0, 1), (4, 3), (2, 0)][..]),
        (without_pointers(), &[(2, 2), (0, 2)]),
        (with_shared_layers(), &[(3, 2), (1, 1)]),
    ] {
        let network = shaken(shape, 1);
        let made = Made::new(&network.shape, sizes, 5);
        let mut trainer = Trainer::new(&network, AdamConfig::default()).unwrap();
        // A larger batch before it leaves nothing behind.
        let larger = Made::new(&network.shape, &[(9, 20)], 6);
        trainer.slopes(&network, larger.batch()).unwrap();
        let report = trainer.slopes(&network, made.batch()).unwrap();
        let mut twin = Twin::of(&network);
        let loss = twin.loss(made.batch());
        assert!(
            (report.loss - loss).abs() < 1e-5,
            "{} and {loss}",
            report.loss
        );
        let h = 1e-5;
        for (name, range) in network.ranges() {
            let mut n_moved = 0;
            for i in range.clone() {
                let was = twin.p[i];
                twin.p[i] = was + h;
                let above = twin.loss(made.batch());
                twin.p[i] = was - h;
                let below = twin.loss(made.batch());
                twin.p[i] = was;
                let want = (above - below) / (2.0 * h);
                let got = f64::from(trainer.gradient[i]);
                assert!(
                    (got - want).abs() < 2e-5 + 1e-4 * want.abs(),
                    "{name}[{}]: {got}, not {want}",
                    i - range.start
                );
                n_moved += usize::from(want.abs() > 1e-4);
            }
            assert!(n_moved > 0, "nothing is learnt of {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_are_the_twins(sizes in prop::collection::vec((0..6usize, 0..5usize), 1..4), seed: u64) {
        for shape in [tiny(), without_pointers(), with_shared_layers()] {
            let network = shaken(shape, seed);
            let Made { facts, questions, .. } = Made::new(&network.shape, &sizes, seed);
            let answers = answers(&network, &facts, &questions);
            let twin = Twin::of(&network);
            for context in 0..sizes.len() {
                let want = twin.answer(&facts, &questions, context);
                for (question, want) in questions.context(context).zip(&want) {
                    for (output, want) in want.iter().enumerate() {
                        let got = answers.probabilities(question, output);
                        prop_assert!((got.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                        for (got, want) in got.iter().zip(want) {
                            prop_assert!((f64::from(*got) - want).abs() < 1e-4, "{got} {want}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_context_has_the_same_bits_alone_and_among_others(
        sizes in prop::collection::vec((0..40usize, 1..40usize), 2..5), seed: u64,
    ) {
        let network = shaken(tiny(), seed);
        let Made { facts, questions, .. } = Made::new(&network.shape, &sizes, seed);
        let together = answers(&network, &facts, &questions);
        for context in 0..sizes.len() {
            // One question at a time, too.
            for question in questions.context(context) {
                let (mut own_facts, mut own) = (Rows::new(2), Rows::new(3));
                own_facts.open();
                facts.context(context).for_each(|i| own_facts.push(facts.row(i)));
                own.open();
                own.push(questions.row(question));
                let alone = answers(&network, &own_facts, &own);
                for output in 0..2 {
                    prop_assert_eq!(alone.probabilities(0, output), together.probabilities(question, output));
                }
            }
        }
    }

    #[test]
    fn the_order_of_facts_says_nothing(n_facts in 1..8usize, seed: u64) {
        let network = shaken(tiny(), seed);
        let Made { facts, questions, .. } = Made::new(&network.shape, &[(n_facts, 3)], seed);
        let mut order: Vec<usize> = (0..n_facts).collect();
        Seed(seed).child("order").stream().shuffle(&mut order);
        let mut shuffled = Rows::new(2);
        shuffled.open();
        for &i in &order { shuffled.push(facts.row(i)); }
        let (one, other) = (answers(&network, &facts, &questions), answers(&network, &shuffled, &questions));
        for question in 0..3 {
            for output in 0..2 {
                for (a, b) in one.probabilities(question, output).iter().zip(other.probabilities(question, output)) {
                    prop_assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn a_draw_has_the_probabilities_that_are_said(seed: u64) {
        let network = shaken(tiny(), seed);
        let Made { facts, questions, .. } = Made::new(&network.shape, &[(2, 1)], seed);
        let answers = answers(&network, &facts, &questions);
        let mut stream = Seed(seed).child("draws").stream();
        let mut counts = [0_u32; 5];
        for _ in 0..2000 {
            counts[usize::from(answers.draw(0, 0, &mut stream))] += 1;
        }
        for (count, p) in counts.iter().zip(answers.probabilities(0, 0)) {
            // Five deviations of a share of 2,000 draws, at most .056.
            let deviation = (p * (1.0 - p) / 2000.0).sqrt();
            prop_assert!((*count as f32 / 2000.0 - p).abs() < 5.0 * deviation + 1e-3);
        }
    }
}

#[test]
fn a_step_lowers_the_loss_and_counts_what_is_right() {
    let mut network = Network::new(tiny(), Seed(3)).unwrap();
    let made = Made::new(&network.shape, &[(3, 4), (2, 5)], 8);
    let config = AdamConfig {
        learning_rate: 1e-2,
        warm_up: 1,
        ..AdamConfig::default()
    };
    let mut trainer = Trainer::new(&network, config).unwrap();
    let before = answers(&network, &made.facts, &made.questions);
    let first = trainer.step(&mut network, made.batch()).unwrap();
    let wanted: Vec<usize> = (0..18).filter(|&i| made.weights[i] > 0.0).collect();
    assert_eq!(first.n_targets, wanted.len());
    let right = wanted
        .iter()
        .filter(|&&i| before.best(i / 2, i % 2) == made.targets[i]);
    assert_eq!(first.n_right, right.count());
    for _ in 0..200 {
        trainer.step(&mut network, made.batch()).unwrap();
    }
    let last = trainer.step(&mut network, made.batch()).unwrap();
    assert!(last.loss < 0.1 * first.loss, "{first:?}, then {last:?}");
    assert_eq!(last.n_right, last.n_targets);
}

#[test]
fn training_that_is_saved_goes_on_to_the_same_bits() {
    let mut network = Network::new(tiny(), Seed(3)).unwrap();
    let config = AdamConfig::default();
    let mut trainer = Trainer::new(&network, config.clone()).unwrap();
    let made: Vec<Made> = (0..6)
        .map(|i| Made::new(&network.shape, &[(3, 4), (i, 2)], i as u64))
        .collect();
    for made in &made[..3] {
        trainer.step(&mut network, made.batch()).unwrap();
    }
    let (parameters, moments) = (
        network.parameters().to_vec(),
        trainer.adam().moments().map(<[f32]>::to_vec),
    );
    let steps = trainer.adam().steps();
    for made in &made[3..] {
        trainer.step(&mut network, made.batch()).unwrap();
    }
    let mut again = Network::with_parameters(tiny(), parameters).unwrap();
    let mut trainer = Trainer::with_adam(Adam::with_moments(config, steps, moments).unwrap());
    for made in &made[3..] {
        trainer.step(&mut again, made.batch()).unwrap();
    }
    assert_eq!(again, network);
}

#[test]
fn a_batch_that_does_not_fit_is_refused_by_name() {
    let mut network = Network::new(tiny(), Seed(0)).unwrap();
    let mut trainer = Trainer::new(&network, AdamConfig::default()).unwrap();
    let mut said = |change: fn(&mut Made)| {
        let mut made = Made::new(&tiny(), &[(1, 2)], 0);
        change(&mut made);
        trainer
            .step(&mut network, made.batch())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(|made| made.questions.open()),
        "2 contexts of questions, where there must be 1"
    );
    assert_eq!(
        said(|made| made.targets.truncate(3)),
        "3 targets, where there must be 4"
    );
    assert_eq!(
        said(|made| made.weights.push(1.0)),
        "5 weights, where there must be 4"
    );
    assert_eq!(
        said(|made| made.targets[1] = 5),
        "targets have the symbol 5, where there are 5 symbols"
    );
    assert_eq!(
        said(|made| made.weights.fill(0.0)),
        "no target of 4 has a weight"
    );
    assert_eq!(
        said(|made| made.weights[2] = -1.0),
        "a target's weight is -1"
    );
    assert_eq!(
        said(|made| made.facts = Rows::new(1)),
        "facts have 1 fields, where the network takes 2"
    );
    let error = Network::with_parameters(tiny(), vec![0.0; 3]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "3 parameters, where the shape has {}",
            network.parameters().len()
        )
    );
}

#[test]
fn a_teacher_moves_towards_its_student() {
    let (mut teacher, student) = (
        Network::new(tiny(), Seed(0)).unwrap(),
        Network::new(tiny(), Seed(1)).unwrap(),
    );
    let before = teacher.clone();
    teacher.average(&student, 0.75);
    for ((now, was), student) in teacher
        .parameters()
        .iter()
        .zip(before.parameters())
        .zip(student.parameters())
    {
        assert_eq!(*now, 0.75 * was + 0.25 * student);
    }
    teacher.average(&student, 0.0);
    assert_eq!(teacher, student);
}
