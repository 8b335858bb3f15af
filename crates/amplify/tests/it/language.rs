//! Amplification with language models that are scripts.

mod distilled;
mod measured;
mod prompts;
mod supervised;
mod trees;
mod world;
