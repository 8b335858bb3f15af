//! What calls cost.

use proptest::prelude::*;
use trimtab_core::chat::Usage;
use trimtab_llm::{PriceFile, Prices, Service, Usd};

fn usage(input_tokens: u64, cached_tokens: u64, output_tokens: u64) -> Usage {
    Usage {
        input_tokens,
        cached_tokens,
        output_tokens,
    }
}

fn file(models: &str, input: f64) -> String {
    format!(
        "[[price]]\nprovider = \"openai\"\nmodels = [{models}]\ninput = {input}\ncached = 0.0\noutput = 0.0\nas-of = \"2026-01-01\"\n"
    )
}

#[test]
fn a_million_tokens_of_each_kind_cost_what_the_page_says() {
    let prices = Prices::built_in();
    let price = prices.of("openai:gpt-4.1").unwrap();
    let million = 1_000_000;
    let cost = |usage| price.cost(usage, Service::Direct);
    assert_eq!(cost(usage(million, 0, 0)), Usd(2.0));
    assert_eq!(cost(usage(million, million, 0)), Usd(0.5));
    assert_eq!(cost(usage(0, 0, million)), Usd(8.0));
    // 1 M read, a quarter of it from the cache, and 0.1 M written, in a batch: (1.5 + 0.125 + 0.8) / 2.
    let batch = price.cost(usage(million, million / 4, million / 10), Service::Batch);
    assert!((batch.0 - 1.2125).abs() < 1e-12, "{batch:?}");
}

#[test]
fn the_most_exact_name_wins_and_an_unknown_model_has_no_price() {
    let prices = Prices::built_in();
    let input = |name: &str| prices.of(name).map(|price| price.input);
    assert_eq!(input("openai:gpt-4o"), Some(2.5));
    assert_eq!(input("openai:gpt-4o-2024-08-06"), Some(2.5));
    assert_eq!(input("openai:gpt-4o-mini"), Some(0.15));
    assert_eq!(input("openai:gpt-4o-mini-2024-07-18"), Some(0.15));
    assert_eq!(input("anthropic:claude-sonnet-4-5-20250929"), Some(3.0));
    for unknown in [
        "openai:gpt-4o-audio-preview",
        "openai:gpt-4",
        "openai:my-model",
        "anthropic:gpt-4o",
        "gpt-4o",
        "openai:",
        "",
    ] {
        assert_eq!(input(unknown), None, "{unknown}");
    }
}

#[test]
fn a_table_of_ones_own_comes_first() {
    let own = |models, input| PriceFile::parse(&file(models, input)).unwrap();
    let prices = Prices::built_in().overridden_by(own(r#""gpt-4o*""#, 7.0));
    assert_eq!(prices.of("openai:gpt-4o-mini").unwrap().input, 7.0);
    assert_eq!(prices.of("openai:gpt-4.1").unwrap().input, 2.0);
    // A server of one's own costs nothing because a table says so.
    let prices = prices.overridden_by(own(r#""Qwen/*", "*-local-*b""#, 0.0));
    for name in ["openai:Qwen/Qwen3-8B", "openai:a-local-7b"] {
        let price = prices.of(name).unwrap();
        assert_eq!(price.cost(usage(1, 0, 1), Service::Direct), Usd(0.0));
    }
    assert!(prices.of("openai:a-local-7c").is_none());
}

#[test]
fn bad_tables_are_refused() {
    let good = file(r#""m""#, 1.0);
    let cases = [
        file(r#""m""#, -1.0),
        good.replace("1\n", "nan\n"),
        format!("{good}batch-discount = 1.5\n"),
        format!("{good}currency = \"EUR\"\n"),
        good.replace("as-of = \"2026-01-01\"\n", ""),
    ];
    let messages = cases.map(|text| {
        let error = PriceFile::parse(&text).unwrap_err();
        format!("{}\n= {}", error.to_string().trim_end(), error.hint())
    });
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[test]
fn money_is_shown_to_the_cent_and_finer_where_that_is_nothing() {
    let shown = [0.0, 0.00004, 0.0123, 0.1, 12.345, 1234.0].map(|usd| Usd(usd).to_string());
    assert_eq!(
        shown,
        [
            "$0.00",
            "under $0.0001",
            "$0.0123",
            "$0.10",
            "$12.35",
            "$1234.00"
        ]
    );
}

proptest! {
    #[test]
    fn cost_adds_up_and_caching_never_costs_more(
        a in (0..1u64 << 40, 0..1u64 << 40), b in (0..1u64 << 40, 0..1u64 << 40), share in 0.0..=1.0f64,
    ) {
        let prices = Prices::built_in();
        let price = prices.of("anthropic:claude-haiku-4-5").unwrap();
        let cost = |usage| price.cost(usage, Service::Direct).0;
        let (ua, ub) = (usage(a.0, 0, a.1), usage(b.0, 0, b.1));
        let (sum, parts) = (cost(ua + ub), cost(ua) + cost(ub));
        prop_assert!((sum - parts).abs() <= 1e-9 * sum.max(1.0));
        let cached = usage(a.0, (a.0 as f64 * share) as u64, a.1);
        prop_assert!(cost(cached) <= cost(ua) + 1e-9);
        prop_assert!(price.cost(ua, Service::Batch).0 <= cost(ua));
        // A server that reports more cached than read does not make the cost negative.
        prop_assert!(cost(usage(a.0, u64::MAX, a.1)) >= 0.0);
    }
}
