//! Networks with weights of the usual size everywhere, for tests.

use trimtab_core::Seed;
use trimtab_probe::Mlp;

pub(crate) fn random_network(widths: &[usize], seed: Seed) -> Mlp {
    let mut network = Mlp::initial(widths, seed);
    let mut stream = seed.child("weights").stream();
    for layer in &mut network.layers {
        let scale = (2.0 / layer.weight.ncols() as f64).sqrt();
        layer.weight.apply(|w| *w = scale * stream.next_normal());
        layer.bias.apply(|b| *b = 0.1 * stream.next_normal());
    }
    network
}
