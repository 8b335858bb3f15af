//! The method against scripted models, its prompts as snapshots, and its arithmetic against golden numbers.

mod prompts;
