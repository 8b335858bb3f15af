//! Speeches that would take a quadratic reader minutes. What one takes is for a stopwatch in a release build.

use std::time::{Duration, Instant};

use trimtab_debate::quotes::segments;

#[test]
fn hostile_speeches_take_no_time() {
    let passage = "the cat sat on the mat and then it went away again ".repeat(1200);
    for unit in [
        "<quote>the cat sat on a</quote>",
        "<quote>a b c d",
        "<quote>the ... ",
        "the cat sat on the mat ",
        "<quote/",
    ] {
        let speech = unit.repeat(100_000 / unit.len());
        let start = Instant::now();
        assert!(!segments(&speech, Some(&passage)).is_empty() || unit == "<quote/");
        let taken = start.elapsed();
        assert!(taken < Duration::from_secs(5), "{unit}: {taken:?}");
    }
}
