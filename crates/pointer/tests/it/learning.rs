//! A network learns to look up facts, and to look up twice.

use trimtab_core::Seed;
use trimtab_pointer::{
    AdamConfig, Answers, Batch, Encoded, Layers, Network, Pointers, Shape, Trainer,
};

use crate::powers::{Powers, powers};

/// Shares of right answers to σ(x) and σ²(x), on new permutations of six.
fn learn(pointers: Pointers, steps: usize) -> Result<[f64; 2], Box<dyn std::error::Error>> {
    let shape = Shape {
        symbols: 6,
        fact_fields: 2,
        question_fields: 2,
        outputs: 1,
        width: 32,
        heads: 2,
        mlp_width: 64,
        encoder_layers: 1,
        answer_layers: 2,
        layers: Layers::Own,
        pointers,
    };
    let mut network = Network::new(shape, Seed(0))?;
    let config = AdamConfig {
        learning_rate: 3e-3,
        warm_up: 50,
        ..AdamConfig::default()
    };
    let mut trainer = Trainer::new(&network, config)?;
    let mut stream = Seed(0).child("powers").stream();
    for _ in 0..steps {
        let made = powers(&mut stream, 6, 2, 16, 12);
        let batch = Batch {
            facts: &made.facts,
            questions: &made.questions,
            targets: &made.targets,
            weights: &vec![1.0; made.targets.len()],
        };
        trainer.step(&mut network, batch)?;
    }
    let Powers {
        facts,
        questions,
        targets,
    } = powers(&mut stream, 6, 2, 100, 12);
    let (mut encoded, mut answers) = (Encoded::default(), Answers::default());
    network.encode(&facts, &mut encoded)?;
    network.answer(&encoded, &questions, &mut answers)?;
    let mut right = [(0_usize, 0_usize); 2];
    for (i, &target) in targets.iter().enumerate() {
        let (n, n_right) = &mut right[usize::from(questions.row(i)[1]) - 1];
        *n += 1;
        *n_right += usize::from(answers.best(i, 0) == target);
    }
    Ok(right.map(|(n, n_right)| n_right as f64 / n as f64))
}

#[test]
fn a_network_learns_to_look_up_once_and_twice() {
    // A guess is right once in six times.
    let named = learn(Pointers::None, 400).unwrap();
    assert!(named[0] > 0.95 && named[1] > 0.8, "{named:?}");
    let pointed = learn(Pointers::Fields, 400).unwrap();
    assert!(pointed[0] > 0.95 && pointed[1] > 0.8, "{pointed:?}");
}
