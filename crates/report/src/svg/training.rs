//! The loss of one training over its steps, a line a seed.

use maud::html;

use super::{BOLD, Picture, Scale, fit_text, px};
use crate::number;
use crate::summary::TrainingCurve;

const WIDTH: f64 = 212.0;
const TITLE: f64 = 20.0;
const HEIGHT: f64 = 104.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 6.0;

/// One panel; the axis of the loss goes from 0 to `most`.
pub fn training(curve: &TrainingCurve, most: f64) -> Picture {
    let n_steps = curve
        .seeds
        .iter()
        .map(|seed| seed.n_steps)
        .max()
        .unwrap_or(1);
    let x = Scale {
        domain: (0.0, n_steps as f64),
        range: (LEFT, WIDTH - RIGHT),
    };
    let y = Scale {
        domain: (0.0, most),
        range: (TITLE + HEIGHT, TITLE),
    };
    let bottom = TITLE + HEIGHT;
    let name = crate::text::name(&curve.name);
    let body = html! {
        text class="title" x=(px(LEFT)) y="13" { (fit_text(&name, WIDTH - LEFT, BOLD * 12.5)) }
        rect class="frame" x=(px(LEFT)) y=(px(TITLE)) width=(px(WIDTH - LEFT - RIGHT)) height=(px(HEIGHT)) {}
        @for tick in [0.0, most] {
            text class="tick" x=(px(LEFT - 5.0)) y=(px(y.at(tick) + 4.0)) text-anchor="end" {
                (number::fixed(tick, 1))
            }
        }
        @for seed in &curve.seeds {
            @let points: Vec<String> = (seed.points.iter())
                .map(|(step, loss)| format!("{},{}", px(x.at(*step as f64)), px(y.at(*loss))))
                .collect();
            polyline class={ "curve " (curve.class) } points=(points.join(" ")) {}
        }
        text class="tick" x=(px(WIDTH - RIGHT)) y=(px(bottom + 14.0)) text-anchor="end" {
            (number::count(n_steps)) " steps"
        }
    };
    let ends: Vec<String> = (curve.seeds.iter())
        .filter_map(|seed| Some((seed.points.first()?, seed.points.last()?)))
        .map(|(first, last)| {
            format!(
                "from {} to {}",
                number::fixed(first.1, 2),
                number::fixed(last.1, 2)
            )
        })
        .collect();
    Picture {
        width: WIDTH,
        height: bottom + 18.0,
        label: format!(
            "Training loss of {name}, a line a seed: {}.",
            ends.join(", ")
        ),
        body,
    }
}
