use super::*;
use proptest::prelude::*;

const PASSAGE: &str = "The captain’s ship—an old freighter—left Mars at dawn.\nNobody on board knew where it was\n\
    bound, and the captain did n't say. “It cost 1,500 credits,” he said later … and nothing more. It was a fine naïve day.";

fn status_of(quote: &str) -> QuoteStatus {
    let found = segments(&format!("<quote>{quote}</quote>"), Some(PASSAGE));
    match &found[..] {
        [Segment::Quote { status, .. }] => status.clone(),
        other => panic!("{other:?}"),
    }
}

fn spans_of(quote: &str) -> Vec<&'static str> {
    match status_of(quote) {
        QuoteStatus::Verified(spans) => spans.into_iter().map(|span| &PASSAGE[span]).collect(),
        other => panic!("{quote:?} is {other:?}"),
    }
}

#[test]
fn punctuation_case_and_lines_make_no_difference() {
    assert_eq!(
        spans_of("the captain's ship - AN OLD freighter"),
        ["The captain’s ship—an old freighter"]
    );
    assert_eq!(
        spans_of("knew where it was bound, and"),
        ["knew where it was\nbound, and"]
    );
    assert_eq!(
        spans_of("\"the captain didn't say.\""),
        ["the captain did n't say"]
    );
    assert_eq!(spans_of("a fine\n\nnaïve\nday"), ["a fine naïve day"]);
}

#[test]
fn fragments_stand_in_order() {
    assert_eq!(
        spans_of("left Mars at dawn … nobody on board knew [...] the captain did n't say"),
        [
            "left Mars at dawn",
            "Nobody on board knew",
            "the captain did n't say"
        ]
    );
    assert_eq!(
        status_of("the captain did n't say ... left Mars at dawn"),
        QuoteStatus::Unverified
    );
    // The passage's own dots.
    assert_eq!(spans_of("he said later ... and nothing more").len(), 1);
    assert_eq!(
        status_of("the ... captain ... was ... bound ... for ... Mars"),
        QuoteStatus::Trivial
    );
    assert_eq!(
        status_of("ship ... left Mars at dawn"),
        QuoteStatus::Trivial
    );
    assert_eq!(
        status_of("whale ... left Mars at dawn"),
        QuoteStatus::Unverified
    );
}

#[test]
fn what_is_not_there_is_not_verified() {
    assert_eq!(status_of("left Venus at dawn"), QuoteStatus::Unverified);
    assert_eq!(status_of("eft Mars at dawn"), QuoteStatus::Unverified);
    assert_eq!(status_of("left Mars at daw"), QuoteStatus::Unverified);
    assert_eq!(
        status_of("It cost 1.500 credits he"),
        QuoteStatus::Unverified
    );
    assert_eq!(
        status_of("It cost 1500 credits he"),
        QuoteStatus::Unverified
    );
    assert_eq!(status_of("left Mars at"), QuoteStatus::Trivial);
    assert_eq!(status_of("F R E I G H T E R"), QuoteStatus::Trivial);
    assert_eq!(status_of("— … !"), QuoteStatus::Trivial);
}

#[test]
fn no_passage_no_verification() {
    let found = segments("<quote>left Mars at dawn</quote>", None);
    let expected = Segment::Quote {
        text: "left Mars at dawn".into(),
        status: QuoteStatus::Unverified,
    };
    assert_eq!(found, [expected]);
}

#[test]
fn far_fragments_do_not_make_one_quote() {
    let passage = format!(
        "one two three four {} five six seven eight",
        "filler ".repeat(1000)
    );
    let found = segments(
        "<quote>one two three four ... five six seven eight</quote>",
        Some(&passage),
    );
    assert!(matches!(
        &found[..],
        [Segment::Quote {
            status: QuoteStatus::Unverified,
            ..
        }]
    ));
    // The first fragment that is near enough counts, not the first there is.
    let passage = format!("{passage} one two three four and five six seven eight");
    let found = segments(
        "<quote>one two three four ... five six seven eight</quote>",
        Some(&passage),
    );
    assert!(matches!(
        &found[..],
        [Segment::Quote {
            status: QuoteStatus::Verified(_),
            ..
        }]
    ));
}

fn shape(speech: &str) -> String {
    (segments(speech, Some(PASSAGE)).iter())
        .map(|segment| match segment {
            Segment::Words(text) => format!("({text})"),
            Segment::Quote { text, status } => {
                let letter = match status {
                    QuoteStatus::Verified(_) => 'v',
                    QuoteStatus::Unverified => 'u',
                    QuoteStatus::Trivial => 't',
                };
                format!("{letter}[{text}]")
            }
        })
        .collect()
}

#[test]
fn unclosed_and_nested_quotes() {
    assert_eq!(
        shape("So <quote>left Mars at dawn"),
        "(So )v[left Mars at dawn]"
    );
    assert_eq!(
        shape("<quote>left Mars at dawn\n\nSo he lies."),
        "v[left Mars at dawn](\n\nSo he lies.)"
    );
    assert_eq!(
        shape("<quote>left Mars <quote>left Mars at dawn</quote> so</quote>"),
        "t[left Mars]( )v[left Mars at dawn]( so)"
    );
    assert_eq!(
        shape("a</quote>b<quote></quote>c<quote> </quote>"),
        "(abc )"
    );
    assert_eq!(
        shape("<v_quote>Mars is made of cheese</v_quote>"),
        "u[Mars is made of cheese]"
    );
    assert_eq!(
        shape("x <Quote src=\"p 1\"> left Mars at dawn </QUOTE> y"),
        "(x  )v[left Mars at dawn](  y)"
    );
    assert_eq!(shape(""), "");
}

#[test]
fn a_long_true_quote_stays_true_when_it_is_cut() {
    let all = segments(
        "I say: <quote>Nobody on board knew where it was bound</quote> so there",
        Some(PASSAGE),
    );
    let (kept, cut) = truncate(all.clone(), 5);
    assert!(cut);
    let Segment::Quote { text, status } = &kept[1] else {
        panic!("{kept:?}")
    };
    assert_eq!(text, "Nobody on board");
    assert!(matches!(status, QuoteStatus::Verified(_)));
    assert_eq!(truncate(all.clone(), 2).0, all[..1]);
    assert_eq!(truncate(all.clone(), 100), (all, false));
}

#[test]
fn coverage_counts_once() {
    assert_eq!(coverage(&[0..10, 5..15, 20..30, 22..25]), 25);
    assert_eq!(coverage(&[]), 0);
}

#[test]
fn hostile_speeches_take_no_time() {
    let passage = "the cat sat on the mat and then it went away again ".repeat(1200);
    for unit in [
        "<quote>the cat sat on a</quote>",
        "<quote>a b c d",
        "<quote>the ... ",
        "the cat sat on the mat ",
    ] {
        let speech = unit.repeat(100_000 / unit.len());
        // What takes longer than this is not linear; the figure itself is for the bench.
        let start = std::time::Instant::now();
        segments(&speech, Some(&passage));
        let secs = start.elapsed().as_secs_f64();
        assert!(secs < 2.0, "{unit}: {secs} s");
    }
}

/// Segments as a model would have written them.
fn written(segments: &[Segment]) -> String {
    (segments.iter())
        .map(|segment| match segment {
            Segment::Words(text) => text.clone(),
            Segment::Quote { text, .. } => format!("<quote>{text}</quote>"),
        })
        .collect()
}

fn speeches() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<quote>",
        "</quote>",
        "<v_quote>",
        "</v_quote>",
        "<",
        ">",
        "v_",
        "quote",
        " ",
        "left Mars at dawn",
        "Nobody on board",
        "knew",
        "…",
        "...",
        "\n\n",
        "\n",
        "é",
        "\u{200b}",
        "<argument>",
        "&lt;quote&gt;",
        "Mars is made of cheese",
        "1,500",
        "[quote]",
        "</",
        "qu",
        "</quo",
        "naïve day",
        " at dawn nobody ",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn reading_what_was_read_changes_nothing(speech in speeches()) {
        let once = segments(&speech, Some(PASSAGE));
        prop_assert_eq!(segments(&written(&once), Some(PASSAGE)), once);
    }

    #[test]
    fn only_what_is_there_is_verified(speech in speeches()) {
        // By a definition of its own: the letters of every span, joined, are the letters of the quote.
        let letters = |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
        for segment in segments(&speech, Some(PASSAGE)) {
            if let Segment::Quote { text, status: QuoteStatus::Verified(spans) } = segment {
                let there: String = spans.iter().map(|span| letters(&PASSAGE[span.clone()])).collect();
                prop_assert_eq!(there, letters(&text));
                prop_assert!(spans.is_sorted_by_key(|span| span.start));
                prop_assert!(spans.iter().all(|span| PASSAGE[span.clone()].split_whitespace().count() >= LEAST_WORDS));
            }
        }
    }

    #[test]
    fn nothing_is_verified_of_another_text(speech in speeches()) {
        let other = "Entirely different words stand in this passage, and nothing of that speech does.";
        let found = segments(&speech, Some(other));
        prop_assert_eq!(verified_spans(&found).count(), 0);
        prop_assert_eq!(verified_spans(&segments(&speech, None)).count(), 0);
    }

    #[test]
    fn what_is_there_is_verified(passage in "[a-zA-Zé0-9’,.!\n-]{1,8}( [a-zA-Zé0-9“”’,.!\n-]{1,8}){8,30}", from in 0..5usize, n in 4..10usize) {
        let words: Vec<&str> = passage.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).collect();
        prop_assume!(words.len() > from + n);
        let quote = words[from..from + n].join(" ");
        // From where the first word stands to where the last does, as it stands.
        let start = words[0].as_ptr() as usize;
        let (first, last) = (words[from], words[from + n - 1]);
        let origin = start - passage.find(words[0]).unwrap();
        let exact = &passage[first.as_ptr() as usize - origin..last.as_ptr() as usize - origin + last.len()];
        for quote in [quote.as_str(), exact] {
            let found = segments(&format!("<quote>{quote}</quote>"), Some(&passage));
            let verified = matches!(&found[..], [Segment::Quote { status: QuoteStatus::Verified(_), .. }]);
            prop_assert!(verified, "{found:?}");
        }
    }

    #[test]
    fn spans_are_on_characters(speech in speeches(), passage in "(left Mars at dawn|é|ﬁ|İ|naïve|n\u{303}| |…|\n|1,500){0,30}") {
        for span in verified_spans(&segments(&speech, Some(&passage))) {
            prop_assert!(passage.get(span.clone()).is_some_and(|text| !text.is_empty()));
        }
    }

    #[test]
    fn cutting_changes_no_status(speech in speeches(), most in 0..20usize) {
        let all = segments(&speech, Some(PASSAGE));
        let (kept, cut) = truncate(all.clone(), most);
        let n_words = |segments: &[Segment]| -> usize { segments.iter().map(|segment| segment.text().split_whitespace().count()).sum() };
        prop_assert_eq!(n_words(&kept), n_words(&all).min(most));
        prop_assert_eq!(cut, n_words(&all) > most);
        for (kept, whole) in kept.iter().zip(&all) {
            match (kept, whole) {
                (Segment::Words(kept), Segment::Words(whole)) => prop_assert!(whole.starts_with(kept)),
                (Segment::Quote { text, status }, Segment::Quote { text: whole, status: before }) => {
                    prop_assert!(whole.starts_with(text));
                    prop_assert_eq!(status, before);
                }
                _ => prop_assert!(false, "a segment became another kind"),
            }
        }
        prop_assert_eq!(truncate(kept.clone(), most), (kept, false));
    }
}
