//! The evidence game on MNIST beside Irving et al. 2018: judges alone, controls, debates in both orders, exact values.
//!
//! An image counts for the honest player only if all nine lies are beaten, as in the paper; a share of games won stands beside
//! it. Intervals of shares of images are Wilson's where there is one game of each kind, and over images as clusters
//! where there are several seeds. Orders are compared image by image, by the exact McNemar test.

use trimtab_evidence::trial::{AgainstPerfect, GameRow};
use trimtab_evidence::{Exactness, RivalClaim, Side, Trial};
use trimtab_run::evidence::{EvidenceError, EvidenceFolder, JudgeRecord, TrialRow};
use trimtab_stats::{Clusters, Level, clustered_share, sign_flip_p_value, wilson};

use crate::document::{Cell, Column, Document, OnAxis, Row, Section, Table};

/// What the paper reports, as fractions.
struct Paper {
    pixels: usize,
    judge: f64,
    debate: f64,
}

/// Irving et al. 2018, section 3.3. Which player moved first in them, and the rest of the table, are not known to us.
const PAPER: [Paper; 2] = [
    Paper {
        pixels: 6,
        judge: 0.594,
        debate: 0.889,
    },
    Paper {
        pixels: 4,
        judge: 0.482,
        debate: 0.852,
    },
];

/// Which games.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Liar {
    Committed,
    Uncommitted,
}

impl Liar {
    fn is_in(self, game: &GameRow) -> bool {
        match self {
            Self::Committed => game.rival != RivalClaim::AnyOther,
            Self::Uncommitted => game.rival == RivalClaim::AnyOther,
        }
    }
}

/// Measures a folder of evidence games of `pixels`, over its first `images`.
///
/// # Errors
///
/// [`EvidenceError`] when its files cannot be read.
pub fn describe(
    folder: &EvidenceFolder,
    pixels: &[usize],
    images: usize,
) -> Result<Document, EvidenceError> {
    let level = Level::default();
    let config = &folder.manifest().config;
    let (mut sections, mut notices) = (Vec::new(), Vec::new());
    for &pixels in pixels {
        let mut rows: Vec<TrialRow> = folder.trials(pixels)?.into_values().collect();
        rows.retain(|row| row.trial.case < images);
        if rows.len() < images {
            let n = rows.len();
            notices.push(format!(
                "{pixels} pixels: {n} of {images} images are finished"
            ));
        }
        let judge = folder.judge(pixels)?;
        let trials: Vec<&Trial> = rows.iter().map(|row| &row.trial).collect();
        let of = Measured {
            pixels,
            trials,
            n_seeds: config.seeds,
            level,
        };
        sections.push(of.debate(judge.as_ref()));
        sections.push(of.orders());
        if config.exactness == Exactness::AgainstPerfect {
            sections.push(of.exploitable());
        }
        sections.push(cost(pixels, &rows));
    }
    Ok(Document {
        name: "irving2018".into(),
        run_id: folder.id(),
        version: folder.manifest().version.clone(),
        sentence: format!(
            "MNIST debate (Irving, Christiano and Amodei 2018): two players reveal pixels in turn to a judge that sees nothing \
             else; {} rollouts a move, c = {}, {} seed{}.",
            config.search.rollouts,
            config.search.exploration,
            config.seeds,
            if config.seeds == 1 { "" } else { "s" },
        ),
        notices,
        sections,
        level: level.get(),
        interval_method:
            "Wilson over images; over images as clusters where there are several seeds".into(),
    })
}

fn p_value(p: f64) -> Cell {
    if p < 1e-4 {
        return Cell::words("below 0.0001");
    }
    Cell::Number {
        value: p,
        decimals: 4,
    }
}

fn row(name: &str, right: Cell, won: Cell, paper: Cell) -> Row {
    Row {
        name: name.into(),
        cells: vec![right, won, paper],
    }
}

/// The games of one number of pixels.
struct Measured<'t> {
    pixels: usize,
    trials: Vec<&'t Trial>,
    n_seeds: usize,
    level: Level,
}

impl Measured<'_> {
    fn games(trial: &Trial, first: Side, liar: Liar) -> impl Iterator<Item = &GameRow> {
        let games = trial.games.iter();
        games.filter(move |game| game.first == first && liar.is_in(game))
    }

    /// Whether honest beats every lie, by image and then seed.
    fn right(&self, first: Side, liar: Liar) -> Vec<bool> {
        let seeds = 0..self.n_seeds;
        let trials = self.trials.iter();
        trials
            .flat_map(|trial| {
                seeds
                    .clone()
                    .map(|seed| Self::games(trial, first, liar).all(|game| game.won[seed]))
            })
            .collect()
    }

    /// The share of some flags an image, with its interval.
    fn share(&self, right: &[bool]) -> Cell {
        let n_right = right.iter().filter(|right| **right).count();
        let each = right.len() / self.trials.len().max(1);
        Cell::share_within(if each <= 1 {
            wilson(n_right, right.len(), self.level)
        } else {
            let clusters = Clusters::new((0..right.len()).map(|at| at / each));
            clustered_share(right, &clusters, self.level)
        })
    }

    fn won(&self, first: &[Side], liar: Liar) -> Cell {
        let (mut won, mut n) = (0, 0);
        for trial in &self.trials {
            for game in first
                .iter()
                .flat_map(|first| Self::games(trial, *first, liar))
            {
                won += game.won.iter().filter(|won| **won).count();
                n += game.won.len();
            }
        }
        Cell::share(won, n)
    }

    fn exact(&self, first: Side, liar: Liar) -> Option<Vec<bool>> {
        let trials = self.trials.iter();
        trials
            .map(|trial| {
                Self::games(trial, first, liar)
                    .map(|game| game.exact)
                    .try_fold(true, |all, exact| Some(all && exact?))
            })
            .collect()
    }

    fn exact_won(&self, first: &[Side], liar: Liar) -> Cell {
        let (mut won, mut n) = (0, 0);
        for trial in &self.trials {
            for game in first
                .iter()
                .flat_map(|first| Self::games(trial, *first, liar))
            {
                won += usize::from(game.exact == Some(true));
                n += 1;
            }
        }
        Cell::share(won, n)
    }

    /// Both orders of every image, side by side.
    fn interleaved(&self, one: &[bool], other: &[bool]) -> Vec<bool> {
        let each = one.len() / self.trials.len().max(1);
        let pairs = one.chunks(each.max(1)).zip(other.chunks(each.max(1)));
        pairs
            .flat_map(|(one, other)| one.iter().chain(other).copied())
            .collect()
    }

    /// What the paper reports of games of so many pixels, if it has any.
    fn of_paper(&self, share: fn(&Paper) -> f64) -> Cell {
        let paper = PAPER.iter().find(|paper| paper.pixels == self.pixels);
        paper.map_or_else(
            || Cell::absent(""),
            |paper| Cell::Share {
                share: share(paper),
            },
        )
    }

    /// The judge without players, and the controls.
    fn alone(&self, judge: Option<&JudgeRecord>) -> Vec<Row> {
        let none = || Cell::absent("");
        let each = |measure: fn(&Trial) -> bool| {
            let right: Vec<bool> = self.trials.iter().map(|trial| measure(trial)).collect();
            self.share(&right)
        };
        let mut rows = Vec::new();
        if let Some(judge) = judge {
            rows.push(row(
                &format!("judge, random pixels, {} test images", judge.n),
                Cell::share_within(wilson(judge.n_right, judge.n, self.level)),
                none(),
                self.of_paper(|paper| paper.judge),
            ));
        }
        let lies = || self.trials.iter().flat_map(|trial| &trial.random_evidence);
        let n_won = lies().filter(|won| **won).count();
        rows.extend([
            row(
                "judge, random pixels, these images",
                each(|trial| trial.raw),
                none(),
                none(),
            ),
            row(
                "random pixels, one random lie",
                each(|trial| trial.random_lie),
                each(|trial| trial.random_lie),
                none(),
            ),
            row(
                "random pixels, worst of nine lies",
                each(|trial| trial.random_evidence.iter().all(|won| *won)),
                Cell::share(n_won, lies().count()),
                none(),
            ),
        ]);
        rows
    }

    /// Debates with such a liar: searched, and perfectly played where that is known.
    fn debates(&self, liar: Liar, name: &str) -> Vec<Row> {
        let none = || Cell::absent("");
        let (first, last) = (Side::Claimant, Side::Rival);
        let orders: [(&str, &[Side]); 3] = [
            ("honest first", &[first]),
            ("honest last", &[last]),
            ("mean of both orders", &[first, last]),
        ];
        let share = |right: &dyn Fn(Side) -> Vec<bool>, sides: &[Side]| match sides {
            [one] => self.share(&right(*one)),
            _ => self.share(&self.interleaved(&right(first), &right(last))),
        };
        let mut rows = Vec::new();
        for (order, sides) in orders {
            let paper = match (liar, sides) {
                (Liar::Committed, [_, _]) => self.of_paper(|paper| paper.debate),
                _ => none(),
            };
            let right = share(&|side| self.right(side, liar), sides);
            let won = self.won(sides, liar);
            rows.push(row(&format!("{name}, {order}"), right, won, paper));
        }
        let is_solved = |side| {
            self.exact(side, liar)
                .is_some_and(|right| !right.is_empty())
        };
        if is_solved(first) && is_solved(last) {
            for (order, sides) in orders {
                let right = share(&|side| self.exact(side, liar).unwrap_or_default(), sides);
                let won = self.exact_won(sides, liar);
                let name = format!("{name}, perfect play, {order}");
                rows.push(row(&name, right, won, none()));
            }
        }
        rows
    }

    fn debate(&self, judge: Option<&JudgeRecord>) -> Section {
        let mut rows = self.alone(judge);
        rows.extend(self.debates(Liar::Committed, "debate"));
        rows.extend(self.debates(Liar::Uncommitted, "no precommitment"));
        Section {
            id: format!("debate-{}", self.pixels),
            title: format!("{} pixels", self.pixels),
            text: format!(
                "How often the truth comes out, over {} test images. With precommitment the liar plays one game a lie, and an \
                 image is right only if the honest player wins all nine: compare a debate with the worst of nine lies under \
                 random pixels, not with one random lie. Perfect play is what the protocol and this judge are worth, whoever \
                 searches.",
                self.trials.len()
            ),
            table: Table {
                columns: vec![
                    Column::new("", ""),
                    Column::new(
                        "images right",
                        "The judge names the truth, or the honest player beats every lie",
                    )
                    .on_axis(OnAxis::Own),
                    Column::new("games won", "By the honest player, over all games").spare(1),
                    Column::new(
                        "paper",
                        "Irving et al. 2018; its order of moves is not known to us",
                    )
                    .spare(0),
                ],
                rows,
            },
            curves: None,
        }
    }

    fn orders(&self) -> Section {
        let mut rows = Vec::new();
        let mut compare = |name: &str, first: &[bool], last: &[bool]| {
            let differences: Vec<i64> = first
                .iter()
                .zip(last)
                .map(|(first, last)| i64::from(*last) - i64::from(*first))
                .collect();
            let count = |of: i64| differences.iter().filter(|d| **d == of).count();
            rows.push(Row {
                name: name.into(),
                cells: vec![
                    Cell::count(count(1)),
                    Cell::count(count(-1)),
                    p_value(sign_flip_p_value(&differences)),
                ],
            });
        };
        for (liar, name) in [
            (Liar::Committed, "debate"),
            (Liar::Uncommitted, "no precommitment"),
        ] {
            // One game of each kind an image: those of the first seed.
            let of_first_seed = |side| -> Vec<bool> {
                let right = self.right(side, liar);
                right.into_iter().step_by(self.n_seeds.max(1)).collect()
            };
            compare(
                name,
                &of_first_seed(Side::Claimant),
                &of_first_seed(Side::Rival),
            );
            let exact = [Side::Claimant, Side::Rival].map(|side| self.exact(side, liar));
            if let [Some(first), Some(last)] = exact
                && !first.is_empty()
            {
                compare(&format!("{name}, perfect play"), &first, &last);
            }
        }
        Section {
            id: format!("orders-{}", self.pixels),
            title: format!("Who moves first, {} pixels", self.pixels),
            text: "Images that are right in one order and wrong in the other. An effect that is there under search and gone \
                   under perfect play is the search's, not the protocol's. First seed."
                .into(),
            table: Table {
                columns: vec![
                    Column::new("", ""),
                    Column::new("only honest last", "Images that are right only if the honest player moves last"),
                    Column::new("only honest first", "Images that are right only if it moves first"),
                    Column::new("p", "Exact McNemar test, two-sided"),
                ],
                rows,
            },
            curves: None,
        }
    }

    /// What search loses against perfect opponents.
    fn exploitable(&self) -> Section {
        let mut rows = Vec::new();
        for (side, name) in [
            (Side::Claimant, "honest first"),
            (Side::Rival, "honest last"),
        ] {
            let games: Vec<(bool, AgainstPerfect)> = self
                .trials
                .iter()
                .flat_map(|trial| Self::games(trial, side, Liar::Committed))
                .filter_map(|game| Some((game.exact?, game.against_perfect?)))
                .collect();
            let count = |f: &dyn Fn(&(bool, AgainstPerfect)) -> bool| {
                games.iter().filter(|game| f(game)).count()
            };
            let (n_won, n_lost) = (count(&|(won, _)| *won), count(&|(won, _)| !*won));
            rows.push(Row {
                name: name.into(),
                cells: vec![
                    Cell::count(n_won),
                    Cell::share_within(wilson(
                        count(&|(won, against)| *won && !against.honest_searches),
                        n_won,
                        self.level,
                    )),
                    Cell::count(n_lost),
                    Cell::share_within(wilson(
                        count(&|(won, against)| !*won && against.liar_searches),
                        n_lost,
                        self.level,
                    )),
                ],
            });
        }
        Section {
            id: format!("exploitable-{}", self.pixels),
            title: format!("What search gives away, {} pixels", self.pixels),
            text: "Games whose value is known: how often a player who searches loses one that it could have won, against an opponent \
                   who errs nowhere."
                .into(),
            table: Table {
                columns: vec![
                    Column::new("", ""),
                    Column::new("honest can win", "Games that perfect play wins for the honest player"),
                    Column::new("lost by search", "Of those, lost by an honest player who searches, against a perfect liar"),
                    Column::new("liar can win", "Games that perfect play wins for the liar"),
                    Column::new("lost by search ", "Of those, lost by a liar who searches, against a perfect honest player"),
                ],
                rows,
            },
            curves: None,
        }
    }
}

fn cost(pixels: usize, rows: &[TrialRow]) -> Section {
    let n_games: usize = rows
        .iter()
        .flat_map(|row| &row.trial.games)
        .map(|game| game.won.len())
        .sum();
    let secs: f64 = rows.iter().map(|row| row.cpu_secs).sum();
    let sum = |at: usize| {
        rows.iter()
            .map(|row| row.trial.evaluations[at])
            .sum::<u64>()
    };
    let (asked, evaluated) = (sum(0), sum(1));
    Section {
        id: format!("cost-{pixels}"),
        title: format!("Cost, {pixels} pixels"),
        text: "Processor time of the games, of exact values where they were asked for, and of the controls; not of the judge's training."
            .into(),
        table: Table {
            columns: vec![
                Column::new("", ""),
                Column::new("", ""),
            ],
            rows: vec![
                Row {
                    name: "searched games".into(),
                    cells: vec![Cell::count(n_games)],
                },
                Row {
                    name: "processor seconds".into(),
                    cells: vec![Cell::Number {
                        value: secs,
                        decimals: 1,
                    }],
                },
                Row {
                    name: "sets of pixels asked about".into(),
                    cells: vec![Cell::Count { n: asked }],
                },
                Row {
                    name: "of those, known already".into(),
                    cells: vec![Cell::share((asked - evaluated) as usize, asked as usize)],
                },
            ],
        },
        curves: None,
    }
}
