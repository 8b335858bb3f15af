//! The foot of the page: which run this is and how its intervals were made.

use maud::{Markup, html};

use crate::summary::Summary;
use crate::{number, text};

pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        footer {
            dl {
                div { dt { "Run" } dd { code { (text::name(&summary.run_id)) } } }
                div { dt { "Trimtab" } dd { (text::name(&summary.version)) } }
                div {
                    dt { "Intervals" }
                    dd {
                        (number::percent_whole(summary.level)) ", "
                        (text::sentence(&summary.interval_method))
                    }
                }
            }
        }
    }
}
