//! The server: pages, forms and what is stored, without a port and in a browser.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod admin;
mod barriers;
mod browser;
mod debaters;
mod experts;
mod forms;
mod gone;
mod links;
mod live;
mod material;
mod pairs;
mod questions;
mod runs;
mod slow;
mod trees;
mod visit;
