//! Nested oversight with the lines that Engels et al. published with their code (arXiv:2504.18530, `elo/theory-predictions.ipynb`): straight
//! lines of domain strength over general strength, from a weakest guard of 1103 points.

use trimtab_landscape::nested::OversightGame;
use trimtab_stats::Plateaus;

fn line([slope, base]: [f64; 2]) -> Plateaus {
    Plateaus {
        base,
        slope,
        lower: None,
        upper: None,
        aic: 0.0,
    }
}

/// Their notebook's printed optimum at a gap of 400 points.
fn check(guard: [f64; 2], houdini: [f64; 2], n_steps: u32, success: f64) {
    let game = OversightGame {
        guard: line(guard),
        houdini: line(houdini),
    };
    let (n, chance) = game.best_steps(1103.0, 400.0, 20);
    assert_eq!(n, n_steps);
    assert!((chance - success).abs() < 1e-12, "{chance}");
}

#[test]
fn mafia_debate_backdoor_code_and_wargames_at_a_gap_of_400() {
    check(
        [1.5305382247861692, -622.9317463747565],
        [0.8344154600833648, 173.2206142928111],
        1,
        0.11062359444258422,
    );
    check(
        [1.0983942546126946, -47.49890598669299],
        [0.04936115584058696, 1080.3983558810423],
        1,
        0.51358447510963367,
    );
    check(
        [0.7192614624976502, 552.0221384375485],
        [1.9518243250891987, -1361.61176329289],
        2,
        0.27569140767676612,
    );
    check(
        [1.1666737577004682, -229.07366870912878],
        [0.6795738441484533, 422.0053838057133],
        1,
        0.097977002063203731,
    );
}
