//! Fused operations against the composition of the device's own, on the checkpoints of `tests/golden/`:
//! hidden states, losses of the next token, and training on them. Gradients, one by one, over every choice of a
//! definition: `src/fused.rs`.

use std::num::NonZeroUsize;

use trimtab_nn::{Keep, LanguageModelTrainer, Operations, Threads, Transformer, fused};

use crate::golden::{MODELS, batch, flat, json, largest_difference, load, numbers};

fn with(transformer: &Transformer, operations: Operations, n: usize) -> Transformer {
    let threads = Threads(NonZeroUsize::new(n).unwrap());
    transformer.clone().with_operations(operations, threads)
}

#[test]
fn hidden_states_equal_the_composition_and_transformers() {
    for name in MODELS {
        let transformer = load(name).transformer;
        assert!(fused::covers(transformer.definition()), "{name}");
        let expected = json(&format!("{name}/expected.json"));
        let batch = batch(&expected);
        let [fused, plain] = [Operations::Fused, Operations::Plain].map(|operations| {
            let transformer = with(&transformer, operations, 2);
            numbers(&transformer.forward(&batch, Keep::Last).unwrap().last)
        });
        let plain: Vec<f64> = plain.into_iter().map(f64::from).collect();
        assert!(largest_difference(&batch, &fused, &plain) < 1e-5, "{name}");
        if let Some(last) = expected.get("last_hidden_state") {
            let apart = largest_difference(&batch, &fused, &flat(last));
            assert!(apart < 1e-5, "{name}: {apart:e}");
        }
    }
}

/// Ten steps: differences of rounding grow with them, and AdamW's first steps make much of small gradients.
#[test]
fn training_follows_the_composition_on_any_number_of_threads() {
    for name in MODELS {
        let transformer = load(name).transformer;
        let batch = batch(&json(&format!("{name}/expected.json")));
        let run = |operations, n| -> Vec<Option<f64>> {
            let transformer = with(&transformer, operations, n);
            let mut trainer = LanguageModelTrainer::new(transformer, [0.9, 0.999], 1e-8, 0.01);
            let mut losses: Vec<_> = (0..10)
                .map(|_| trainer.step(batch.clone(), 1e-3).unwrap())
                .collect();
            losses.push(trainer.into_transformer().next_token_loss(&batch).unwrap());
            losses
        };
        let (one, plain) = (run(Operations::Fused, 1), run(Operations::Plain, 1));
        assert_eq!(one, run(Operations::Fused, 3), "{name}");
        for (fused, plain) in one.into_iter().zip(plain) {
            assert_eq!(fused.is_some(), plain.is_some(), "{name}");
            let apart = fused.unwrap_or_default() - plain.unwrap_or_default();
            assert!(apart.abs() < 1e-4, "{name}: {fused:?} {plain:?}");
        }
    }
}
