//! All games of one case whose truth is known: every lie, both orders, the controls, and the exact values.
//!
//! Paper: Irving et al. 2018, sections 3.1 and 3.3: one game a lie, and the liar wins a case if any lie wins.
//!
//! | measured | what |
//! |---|---|
//! | `raw` | does the judge name the truth after k random pieces? |
//! | `random_lie` | k random pieces, one random lie: does the judge prefer the truth? |
//! | `random_evidence` | the same for every lie, with pieces drawn anew for each |
//! | `games` | the debate: both players search |
//! | `games[].exact` | who wins if both play perfectly |
//! | `games[].against_perfect` | the searching player against a perfect opponent: what search loses is exploitable |
//!
//! The two controls differ: that the liar names one label beforehand helps the truth whatever is shown, so a debate is compared
//! with `random_evidence` over all lies and not with `random_lie`.

use serde::{Deserialize, Serialize};
use trimtab_core::Seed;

use crate::board::{Board, Piece};
use crate::cases::Cases;
use crate::exact::{Claims, Perfect, Solver};
use crate::game::{Game, Played, RivalClaim, Side, play};
use crate::judge::Judge;
use crate::random_evidence::draw;
use crate::search::{Search, SearchOptions, play_in_lockstep};

/// Both orders.
pub const ORDERS: [Side; 2] = [Side::Claimant, Side::Rival];

/// Whether games are also solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exactness {
    /// They are only searched.
    Searched,
    /// Their exact values are computed.
    Solved,
    /// And search is played against perfect opponents.
    AgainstPerfect,
}

/// How a case is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialOptions {
    /// Pieces a game.
    pub pieces: usize,
    /// How both players search.
    pub search: SearchOptions,
    /// Games of each kind, with searches that differ by their luck.
    pub seeds: usize,
    /// Whether games are also solved.
    pub exactness: Exactness,
}

/// One game's rules, and how it went under every seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GameRow {
    /// Who moved first.
    pub first: Side,
    /// What the liar claimed.
    pub rival: RivalClaim,
    /// By seed: whether the honest player won.
    pub won: Vec<bool>,
    /// Whether the honest player wins if both play perfectly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exact: Option<bool>,
    /// Whether the honest player won when one of the two, by seed 0, played perfectly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against_perfect: Option<AgainstPerfect>,
}

/// Whether the honest player won against, or as, a perfect player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgainstPerfect {
    /// Honest search against a perfect liar.
    pub honest_searches: bool,
    /// A perfect honest player against a liar that searches.
    pub liar_searches: bool,
}

/// What was measured of one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Which case.
    pub case: usize,
    /// Its label.
    pub truth: usize,
    /// Pieces that could be revealed.
    pub n_pieces: usize,
    /// Whether the judge names the truth after random pieces.
    pub raw: bool,
    /// Whether it prefers the truth to one random lie after random pieces.
    pub random_lie: bool,
    /// By lie, in the order of labels: whether it prefers the truth to it after random pieces.
    pub random_evidence: Vec<bool>,
    /// The debates: for each order every lie, and the liar that names none.
    pub games: Vec<GameRow>,
    /// Sets of pieces that players asked the judge about, and those of them that were evaluated.
    pub evaluations: [u64; 2],
}

/// Tries case `case`, whose label is `truth`. The result depends on `seed` and nothing else.
pub fn try_case(
    judge: &Judge,
    cases: &dyn Cases,
    case: usize,
    truth: usize,
    options: &TrialOptions,
    seed: Seed,
) -> Trial {
    let mut board = Board::new(judge, cases, case);
    let mut stream = seed.child("random evidence").stream();
    let mut drawn = Vec::new();
    let mut random_margin = |board: &mut Board<'_>, rival| {
        draw(board.n_pieces(), options.pieces, &mut stream, &mut drawn);
        let pieces: Vec<Piece> = drawn.iter().map(|piece| *piece as Piece).collect();
        let game = Game {
            claim: truth,
            rival,
            pieces: options.pieces,
            first: Side::Claimant,
        };
        game.margin(board.logits(&pieces)) > 0.0
    };
    let lies: Vec<usize> = (0..judge.n_labels()).filter(|l| *l != truth).collect();
    let lie = lies[seed.child("random lie").stream().below(lies.len())];
    let raw = random_margin(&mut board, RivalClaim::AnyOther);
    let random_lie = random_margin(&mut board, RivalClaim::Label(lie));
    let random_evidence = lies
        .iter()
        .map(|lie| random_margin(&mut board, RivalClaim::Label(*lie)))
        .collect();
    let rivals = lies
        .iter()
        .map(|lie| RivalClaim::Label(*lie))
        .chain([RivalClaim::AnyOther]);
    let rivals: Vec<RivalClaim> = rivals.collect();
    let game = |first, rival| Game {
        claim: truth,
        rival,
        pieces: options.pieces,
        first,
    };
    let luck = |first: Side, rival: &RivalClaim, n: usize| {
        let child = seed.child(&format!("{first:?} {rival:?} {n}"));
        Search::new(options.search, child)
    };
    let (mut searched, mut players) = (Vec::new(), Vec::new());
    for first in ORDERS {
        for rival in &rivals {
            searched.extend(vec![game(first, *rival); options.seeds]);
            players.extend((0..options.seeds).map(|n| luck(first, rival, n)));
        }
    }
    let played = play_in_lockstep(&mut board, &searched, &mut players);
    let mut winners = played.iter().map(Played::winner);
    let mut games = Vec::new();
    for first in ORDERS {
        let game = |rival| game(first, rival);
        let mut solved = match options.exactness {
            Exactness::Searched => None,
            Exactness::Solved | Exactness::AgainstPerfect => {
                Some(solve(&mut board, &game(RivalClaim::AnyOther)))
            }
        };
        for rival in &rivals {
            let won = winners.by_ref().take(options.seeds);
            let won = won.map(|winner| winner == Side::Claimant).collect();
            let exact = solved
                .as_ref()
                .map(|(solver, won)| won & solver.bit(*rival) != 0);
            let opponent = solved
                .as_mut()
                .filter(|_| options.exactness == Exactness::AgainstPerfect);
            let against_perfect = opponent.map(|(solver, _)| {
                let search = luck(first, rival, options.seeds);
                against_perfect(&mut board, &game(*rival), solver, &search)
            });
            games.push(GameRow {
                first,
                rival: *rival,
                won,
                exact,
                against_perfect,
            });
        }
    }
    Trial {
        case,
        truth,
        n_pieces: board.n_pieces(),
        raw,
        random_lie,
        random_evidence,
        games,
        evaluations: board.evaluations(),
    }
}

fn solve(board: &mut Board<'_>, game: &Game) -> (Solver, Claims) {
    let mut solver = Solver::new(board, game);
    let all = solver.all();
    let won = solver.won(board, &[], all);
    (solver, won)
}

fn against_perfect(
    board: &mut Board<'_>,
    game: &Game,
    solver: &mut Solver,
    search: &Search,
) -> AgainstPerfect {
    let mut perfect = Perfect {
        solver,
        otherwise: search.clone(),
    };
    let mut searching = search.clone();
    let honest_searches = play(board, game, &mut searching, &mut perfect);
    let liar_searches = play(board, game, &mut perfect, &mut searching);
    AgainstPerfect {
        honest_searches: honest_searches.winner() == Side::Claimant,
        liar_searches: liar_searches.winner() == Side::Claimant,
    }
}

/// How many of the cases the judge names rightly after so many random pieces, drawn once for each.
pub fn count_right(
    judge: &Judge,
    cases: &dyn Cases,
    truths: &[u8],
    pieces: usize,
    seed: Seed,
) -> usize {
    let mut stream = seed.stream();
    let mut drawn = Vec::new();
    let right = truths.iter().enumerate().filter(|(case, truth)| {
        draw(cases.n_pieces(*case), pieces, &mut stream, &mut drawn);
        let logits = judge.logits(cases, *case, &drawn);
        let own = logits[usize::from(**truth)];
        let is_above = |(label, z): (usize, &f32)| label == usize::from(**truth) || own > *z;
        logits.iter().enumerate().all(is_above)
    });
    right.count()
}
