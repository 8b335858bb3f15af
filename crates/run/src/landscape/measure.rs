//! From a landscape's settings to its figures.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

use trimtab_data::Locations;
use trimtab_landscape::{Domain, Figure, Origin, Series, illustrative};
use trimtab_stats::{Level, Resampler, wilson_of_share};

use super::config::{
    DomainConfig, DomainSet, GameConfig, LandscapeConfig, NestedConfig, SeriesConfig,
};
use super::look_ahead::LookAhead;
use super::{
    GameCurve, Landscape, LandscapeError, NestedPoint, Projection, ScoreFileError, rated,
    score_file,
};

/// Measures all that the settings ask for; files are looked for in `folder`.
pub(super) fn measure(
    config: &LandscapeConfig,
    folder: &Path,
) -> Result<Landscape, LandscapeError> {
    let level = Level::new(config.level).unwrap_or_default();
    let mut data = Vec::new();
    let (mut domains, mut raters) = (Vec::new(), Vec::new());
    for domain in &config.domain {
        let Some(set) = &domain.ratings else {
            domains.push(stated(domain, level));
            continue;
        };
        let resampler = Resampler {
            n_resamples: NonZeroUsize::try_from(config.resamples).unwrap_or(NonZeroUsize::MIN),
            seed: rated::seed(config.seed, &domain.name),
        };
        let locations = Locations::new(folder);
        let (measured, rated, sha256) = rated::rated(domain, set, &locations, resampler, level)?;
        domains.push(measured);
        raters.push(rated);
        data.push(sha256);
    }
    domains.extend(config.set.iter().flat_map(|set| match set {
        DomainSet::FoundingPost => illustrative::domains(),
    }));
    let projections = projections(config, &domains);
    let mut read = Vec::new();
    for series in &config.series {
        let scores = scores(series, folder)?;
        data.push(crate::reproduction::hash(&scores.observations()));
        read.push((series, scores));
    }
    let look_ahead = LookAhead::new(config, &domains, &read);
    Ok(Landscape {
        name: config.name.clone(),
        id: Landscape::id_of(config, &data),
        config: config.clone(),
        series: look_ahead.series(),
        crossings: look_ahead.crossings(),
        projections,
        raters,
        games: (config.game.iter())
            .map(|game| curve(game, &config.nested))
            .collect(),
        domains,
    })
}

/// A domain whose figures were given by hand.
fn stated(config: &DomainConfig, level: Level) -> Domain {
    let figure = |value: Option<f64>, n: Option<NonZeroU32>| {
        value.map(|value| match n {
            Some(n) => Figure::Measured {
                interval: wilson_of_share(value, f64::from(n.get()), level),
                n: n.get() as usize,
            },
            None => Figure::stated(value),
        })
    };
    Domain::unpaired(
        &config.name,
        Origin::Stated {
            source: config.source.clone().unwrap_or_default(),
        },
        figure(config.human_accuracy, config.human_n),
        figure(config.model_capability, config.model_n),
    )
}

fn projections(config: &LandscapeConfig, domains: &[Domain]) -> Vec<Projection> {
    let of_domain = |name: &str| {
        let domain = domains.iter().find(|domain| domain.name == name)?;
        domain.model_capability.zip(domain.human_accuracy)
    };
    (config.scenario.iter())
        .map(|scenario| {
            let (start, figures) = match &scenario.domain {
                Some(name) => (name.clone(), of_domain(name)),
                None => ("figures of the scenario".into(), Some(scenario.start())),
            };
            let years = figures
                .and_then(|(model, human)| scenario.project(model, human, config.threshold).ok());
            Projection {
                name: scenario.name.clone(),
                start,
                years: years.unwrap_or_default(),
            }
        })
        .collect()
}

fn scores(config: &SeriesConfig, folder: &Path) -> Result<Series, LandscapeError> {
    let of_series = |source| LandscapeError::Scores {
        series: config.name.clone(),
        source,
    };
    match &config.file {
        Some(file) => score_file::read(&folder.join(file)).map_err(of_series),
        None => Series::new(config.row.clone()).map_err(|source| {
            of_series(ScoreFileError::Series {
                path: "the landscape file".into(),
                source,
            })
        }),
    }
}

fn curve(config: &GameConfig, nested: &NestedConfig) -> GameCurve {
    let game = config.game();
    GameCurve {
        name: config.name.clone(),
        points: (nested.gaps.iter())
            .map(|&gap| {
                let (n_steps, success) =
                    game.best_steps(nested.weakest, gap, nested.most_steps.get());
                NestedPoint {
                    gap,
                    n_steps,
                    success,
                    in_one_step: game.success(nested.weakest, gap, 1),
                }
            })
            .collect(),
    }
}
