//! How losses are written in experiment files, and what wrong ones are told.

use trimtab_weak_to_strong::loss::{
    ConfidenceConfig, LabelStatistics, Loss, LossConfig, NumberOr, Preset, Prior, WarmUp,
};

fn parse(json: &str) -> Result<LossConfig, String> {
    serde_json::from_str(json).map_err(|e| e.to_string())
}

fn check_error(json: &str, expected: &str) {
    let error = parse(json).unwrap_err();
    assert!(error.contains(expected), "{json}: {error}");
}

#[test]
fn a_name_is_the_table_with_defaults() {
    for (kind, name) in LossConfig::KINDS
        .iter()
        .map(|kind| (kind, format!("\"{kind}\"")))
    {
        let loss = parse(&name).unwrap();
        assert_eq!(loss.kind(), *kind);
        assert_eq!(parse(&format!(r#"{{"kind":"{kind}"}}"#)), Ok(loss.clone()));
        let written = serde_json::to_string(&loss).unwrap();
        assert_eq!(parse(&written), Ok(loss), "{written}");
    }
}

#[test]
fn overrides_change_the_preset() {
    let json =
        r#"{"kind":"confidence","preset":"openai","warm-up":{"linear":0.3},"prior":"dataset"}"#;
    let Ok(LossConfig::Confidence(config)) = parse(json) else {
        panic!("{:?}", parse(json))
    };
    let recipe = config.recipe();
    assert_eq!(recipe.warm_up, WarmUp::Linear(0.3));
    assert_eq!(recipe.prior, NumberOr::Word(Prior::Dataset));
    assert_eq!(recipe.hardening, Preset::Openai.recipe().hardening);
}

#[test]
fn an_unknown_kind_lists_the_known_ones() {
    check_error(
        r#""confidnce""#,
        "unknown variant `confidnce`, expected one of `naive`",
    );
    check_error(
        r#"{"kind":"logconf"}"#,
        "unknown variant `logconf`, expected one of",
    );
    check_error("3", "expected a loss name, or a table with `kind`");
    check_error(r#"{"alpha":1}"#, "missing field `kind`");
}

#[test]
fn an_unknown_field_is_refused_by_every_kind() {
    for kind in LossConfig::KINDS {
        check_error(
            &format!(r#"{{"kind":"{kind}","alpah":1}}"#),
            "unknown field `alpah`",
        );
    }
    check_error(
        r#"{"kind":"product","alpah":1}"#,
        "expected `alpha` or `beta`",
    );
}

#[test]
fn wrong_words_are_refused() {
    check_error(
        r#"{"kind":"window","radius":"mean"}"#,
        "unknown variant `mean`, expected `median`",
    );
    check_error(
        r#"{"kind":"confidence","warm-up":{"linaer":0.2}}"#,
        "unknown variant `linaer`",
    );
    check_error(
        r#"{"kind":"confidence","hardening":{"buffer":0}}"#,
        "nonzero",
    );
}

#[test]
fn numbers_out_of_range_are_named() {
    for (json, expected) in [
        (
            r#"{"kind":"confidence","aux-coefficient":1.5}"#,
            "loss `confidence`: `aux-coefficient` is 1.5, expected a share from 0 to 1",
        ),
        (
            r#"{"kind":"confidence","warm-up":{"jump":-1}}"#,
            "loss `confidence`: `warm-up` is -1, expected a fraction of training, from 0 to 1",
        ),
        (
            r#"{"kind":"adapt-conf","temperature":0}"#,
            "loss `adapt-conf`: `temperature` is 0, expected a finite number above 0",
        ),
        (
            r#"{"kind":"window","radius":0}"#,
            "loss `window`: `radius` is 0, expected a number above 0",
        ),
    ] {
        let statistics = LabelStatistics::of(&[0.5, 0.5], 2);
        let error = Loss::new(&parse(json).unwrap(), &statistics).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn descriptions_fit_a_table() {
    let describe = |json: &str| parse(json).unwrap().describe();
    assert_eq!(
        describe(r#"{"kind":"confidence","preset":"openai"}"#),
        "confidence, openai preset (α 0.5, warm-up 10 %, jump)"
    );
    assert_eq!(
        describe(r#""entropy""#),
        "entropy rewarded (CE − 0.1 H, soft labels)"
    );
    assert_eq!(
        describe(r#"{"kind":"entropy","coefficient":-0.1}"#),
        "entropy penalised (CE + 0.1 H, soft labels)"
    );
    for kind in LossConfig::KINDS {
        let line = describe(&format!("\"{kind}\""));
        assert!(line.len() < 80, "{line}");
    }
}

#[test]
fn which_losses_are_fixed_and_convex() {
    let properties = |json: &str| {
        let loss = parse(json).unwrap();
        (loss.is_fixed(), loss.is_convex(2), loss.is_convex(3))
    };
    for fixed in [
        r#""naive""#,
        r#""confidence-weighted""#,
        r#""kl""#,
        r#""balanced""#,
    ] {
        assert_eq!(properties(fixed), (true, true, true), "{fixed}");
    }
    assert_eq!(properties(r#""entropy""#), (true, false, false));
    assert_eq!(
        properties(r#"{"kind":"entropy","coefficient":-0.5}"#),
        (true, true, false)
    );
    for staged in [
        r#""confidence""#,
        r#""product""#,
        r#""window""#,
        r#""evidential""#,
    ] {
        assert_eq!(properties(staged), (false, false, false), "{staged}");
    }
    assert_eq!(
        properties(r#"{"kind":"balanced","mean":"batch"}"#),
        (false, false, false)
    );
}

#[test]
fn the_schema_allows_a_name_and_every_kind() {
    let schema = schemars::schema_for!(LossConfig).to_value();
    assert_eq!(schema["title"], "LossConfig");
    let forms = schema["oneOf"].as_array().unwrap();
    assert_eq!(forms.len(), 1 + LossConfig::KINDS.len());
    assert_eq!(forms[0]["enum"], serde_json::json!(LossConfig::KINDS));
    for (form, kind) in forms[1..].iter().zip(LossConfig::KINDS) {
        assert_eq!(form["properties"]["kind"]["const"], kind);
    }
}

#[test]
fn the_paper_preset_is_the_default() {
    assert_eq!(
        parse(r#""confidence""#),
        Ok(LossConfig::Confidence(ConfidenceConfig::default()))
    );
    assert_eq!(ConfidenceConfig::default().recipe(), Preset::Paper.recipe());
}
