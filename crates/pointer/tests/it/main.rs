//! Networks that learn, in seconds.

mod learning;
mod powers;
