//! Elements of an instance (vertices, variables): a run of symbols of which some are in play.

use std::ops::Range;

use trimtab_core::Seed;

use super::question::{IDK, Question, Symbol};

/// `n` symbols from `first`.
pub(super) fn run(first: Symbol, n: usize) -> Range<Symbol> {
    first..first + n as Symbol
}

/// `n` of the symbols, in random order.
pub(super) fn choose(symbols: Range<Symbol>, n: usize, seed: Seed) -> Vec<Symbol> {
    let mut chosen: Vec<Symbol> = symbols.collect();
    seed.stream().shuffle(&mut chosen);
    chosen.truncate(n);
    chosen
}

/// The symbols in order, each once.
pub(super) fn each_once(symbols: impl Iterator<Item = Symbol>) -> Vec<Symbol> {
    let mut each: Vec<Symbol> = symbols.collect();
    each.sort_unstable();
    each.dedup();
    each
}

/// One of them, by luck.
pub(super) fn any(symbols: &[Symbol], luck: Seed) -> Option<Symbol> {
    (!symbols.is_empty()).then(|| symbols[luck.stream().below(symbols.len())])
}

/// `e3`: the name of the fourth of `elements`.
pub(super) fn name(prefix: &str, elements: &Range<Symbol>, symbol: Symbol) -> Option<String> {
    (elements.contains(&symbol)).then(|| format!("{prefix}{}", symbol - elements.start))
}

/// `D(v1, v7)`: a question of a kind about one or two.
pub(super) fn call(question: &Question, words: impl Fn(Symbol) -> String) -> String {
    let Some((&kind, about)) = question.symbols().split_first() else {
        return String::new();
    };
    let about: Vec<String> = (about.iter())
        .filter(|&&symbol| symbol != IDK)
        .map(|&symbol| words(symbol))
        .collect();
    format!("{}({})", words(kind), about.join(", "))
}
