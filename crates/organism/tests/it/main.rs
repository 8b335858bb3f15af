//! The world's laws: what is written on purpose is read so, by an evaluator that reads anything.

mod corpus;
mod gold;
