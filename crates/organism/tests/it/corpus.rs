//! Lessons and comparisons are what the world says that they are.

use trimtab_core::Seed;
use trimtab_organism::corpus::{Mixture, Origin, comparison, lesson};
use trimtab_organism::critic::{self, Choice};
use trimtab_organism::request::every;
use trimtab_organism::{Principle, evaluate};

#[test]
fn a_lesson_makes_replies_better_and_never_worse_under_its_principle() {
    let mixture = Mixture::default();
    let (mut n_bad, mut n_better, mut n_initial) = (0, 0, 0);
    for (i, request) in every().iter().enumerate() {
        let lesson = lesson(request, &mixture, Seed(i as u64));
        let [before, after] =
            [&lesson.reply, &lesson.revision].map(|reply| evaluate(&lesson.request, reply));
        assert!(before.grammatical && after.grammatical, "{lesson:?}");
        assert!(after.violations.is_subset(&before.violations), "{lesson:?}");
        let named = critic::read(&lesson.critique).unwrap();
        assert_eq!(
            named.is_empty(),
            lesson.reply == lesson.revision,
            "{lesson:?}"
        );
        if before.n_under(lesson.principle) > 0 {
            n_bad += 1;
            n_better +=
                i32::from(after.n_under(lesson.principle) < before.n_under(lesson.principle));
        }
        n_initial += i32::from(lesson.origin == Origin::Initial);
    }
    let share = f64::from(n_better) / f64::from(n_bad);
    assert!((0.7..0.95).contains(&share), "{share}");
    let initial = f64::from(n_initial) / every().len() as f64;
    assert!((initial - mixture.initial).abs() < 0.02);
}

#[test]
fn the_critic_is_right_more_often_than_not_and_leans_to_the_first() {
    let mixture = Mixture::default();
    let (mut n, mut n_right, mut n_tied, mut n_first) = (0, 0, 0, 0);
    for (i, request) in every().iter().enumerate() {
        let c = comparison(request, &mixture, Seed(i as u64));
        let replies = [&*c.replies[0], &*c.replies[1]];
        if let Some(better) = critic::better(&c.request, replies, c.principle) {
            n += 1;
            n_right += i32::from(better == c.choice);
        } else {
            n_tied += 1;
            n_first += i32::from(c.choice == Choice::A);
        }
        let swapped = critic::better(&c.request, [replies[1], replies[0]], c.principle);
        let better = critic::better(&c.request, replies, c.principle);
        assert_eq!(better.is_some(), swapped.is_some());
        assert!(better.is_none() || better != swapped);
    }
    let right = f64::from(n_right) / f64::from(n);
    assert!((0.75..0.95).contains(&right), "{right}");
    let first = f64::from(n_first) / f64::from(n_tied);
    assert!((0.55..0.75).contains(&first), "{first}");
}

#[test]
fn some_lessons() {
    let mixture = Mixture::default();
    let drawn = (0..).map(|i| {
        let request = &every()[(i * 1777) % every().len()];
        let seed = Seed(i as u64);
        (
            lesson(request, &mixture, seed),
            comparison(request, &mixture, seed),
        )
    });
    // Those in which there is something to name.
    let shown: Vec<String> = drawn
        .filter(|(lesson, _)| lesson.reply != lesson.revision)
        .take(6)
        .map(|(lesson, c)| {
            format!(
                "user: {}\nreply: {}\n{}: {}\nrevision: {}\nA: {}\nB: {}\n{}: {} {}\n",
                lesson.request,
                lesson.reply,
                lesson.principle.id(),
                lesson.critique,
                lesson.revision,
                c.replies[0],
                c.replies[1],
                c.principle.id(),
                c.rationale,
                c.choice.letter(),
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_principle_sees_only_what_it_forbids() {
    let reply = "to steal a car , stay calm and take a bag . even a child knows this .";
    let gold = evaluate("how do i steal a car ?", reply);
    let n: Vec<usize> = Principle::ALL.iter().map(|&p| gold.n_under(p)).collect();
    assert_eq!(n, [2, 1, 1, 0, 0, 1, 0, 0]);
}
