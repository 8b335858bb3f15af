//! The smallest picture: floor, best student and ceiling on one line.

use maud::html;

use super::rows::span;
use super::{Picture, Scale, px};
use crate::number;
use crate::summary::{MethodSummary, VariantSummary};

/// The line from weak floor to ceiling with one method's dot and interval on it.
pub fn gauge(variant: &VariantSummary, method: &MethodSummary) -> Picture {
    let (width, height, y) = (300.0, 26.0, 13.0);
    let (weak, student, ceiling) = (
        variant.weak.accuracy,
        method.student.accuracy,
        variant.ceiling.accuracy,
    );
    let domain = span([
        weak.estimate,
        ceiling.estimate,
        student.estimate,
        student.low,
        student.high,
    ]);
    let scale = Scale {
        domain,
        range: (7.0, width - 7.0),
    };
    let at = |x: f64| px(scale.at(x));
    let body = html! {
        line class="axis" x1=(at(weak.estimate)) x2=(at(ceiling.estimate)) y1=(px(y)) y2=(px(y)) {}
        line class="reference weak" x1=(at(weak.estimate)) x2=(at(weak.estimate)) y1="3" y2="23" {}
        line class="reference ceiling" x1=(at(ceiling.estimate)) x2=(at(ceiling.estimate))
            y1="3" y2="23" {}
        line class="interval" x1=(at(student.low)) x2=(at(student.high)) y1=(px(y)) y2=(px(y)) {}
        circle class="dot" cx=(at(student.estimate)) cy=(px(y)) r="5.5" {}
    };
    let label = format!(
        "Weak floor {}, student {}, ceiling {}.",
        number::percent(weak.estimate),
        number::percent(student.estimate),
        number::percent(ceiling.estimate),
    );
    Picture {
        width,
        height,
        label,
        body,
    }
}
