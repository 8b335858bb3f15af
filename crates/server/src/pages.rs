//! HTML, a file a page.
//!
//! Text of models is hostile: it comes into a page through [`words`] alone, which bounds it, takes out what would reorder or hide
//! what is read, and leaves the escaping to `maud`. No page has a script or a style in it.

pub(crate) mod admin;
mod belief;
pub(crate) mod debater;
pub(crate) mod expert;
pub(crate) mod judge;
pub(crate) mod layout;
pub(crate) mod live;
mod plot;
pub(crate) mod transcript;
pub(crate) mod tree;
mod typed;
mod words;
