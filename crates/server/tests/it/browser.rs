//! A browser.
