//! A document as one self-contained page: the same style, policy and theme as every report.

use maud::{Markup, html};

use super::{Cell, Column, Document, OnAxis, Section, behind};
use crate::html::{figure, interval_cells, page};
use crate::svg::{Layout, Picture};
use crate::{number, svg, text};

pub(super) fn render(document: &Document) -> String {
    let body = html! {
        header class="masthead" {
            button id="theme" type="button" hidden { "Theme" }
            p class="kicker" { "Trimtab report" }
            h1 { (text::name(&document.name)) }
            p class="lead" { (text::sentence(&document.sentence)) }
            @for notice in &document.notices { p class="notice" { (text::sentence(notice)) } }
            nav aria-label="Sections" {
                @for section in &document.sections {
                    a href={ "#" (section.id) } { (text::name(&section.title)) } " "
                }
            }
        }
        main { @for section in &document.sections { (self::section(section, &document.sections)) } }
        footer {
            dl {
                div { dt { "Run" } dd { code { (text::name(&document.run_id)) } } }
                div { dt { "Trimtab" } dd { (text::name(&document.version)) } }
                div {
                    dt { "Intervals" }
                    dd {
                        (number::percent_whole(document.level)) ", "
                        (text::sentence(&document.interval_method))
                    }
                }
            }
        }
    };
    page(&text::name(&document.name), &body)
}

fn section(section: &Section, all: &[Section]) -> Markup {
    let title = text::name(&section.title);
    let draw = |layout| -> Vec<Picture> {
        // The first names the rows.
        let columns = section.table.columns.iter().skip(1).enumerate();
        columns
            .filter(|(_, column)| column.on_axis == Some(OnAxis::Own))
            .map(|(i, _)| svg::shares(section, i, layout))
            .collect()
    };
    let shares = draw(Layout::Wide);
    html! {
        section id=(section.id) {
            h2 { (title) }
            p class="setup" { (text::sentence(&section.text)) }
            @if !shares.is_empty() {
                (figure(&shares, &draw(Layout::Narrow), &html! { (title) ", with intervals; ticks are single seeds." }))
            }
            @if let Some(wide) = svg::dumbbells(section, Layout::Wide) {
                @let narrow = svg::dumbbells(section, Layout::Narrow);
                (figure(&[wide], narrow.as_slice(), &html! {
                    (title) ": dots are estimates with their intervals, hollow where a figure was only stated; the line between them is the gap."
                }))
            }
            @let fronts = svg::fronts(section, Layout::Wide);
            @if !fronts.is_empty() {
                (panels(&fronts, &svg::fronts(section, Layout::Narrow), &html! {
                    (title) ": the line is the Pareto front; hollow dots are off it; bars are intervals."
                }))
            }
            @if let Some(curves) = &section.curves {
                (panels(&svg::curves(curves, Layout::Wide), &svg::curves(curves, Layout::Narrow), &html! { (text::sentence(&curves.caption)) }))
            }
            (table(section, all))
            (meanings(section))
        }
    }
}

/// Small pictures beside one another, below one another on a phone.
fn panels(wide: &[Picture], narrow: &[Picture], caption: &Markup) -> Markup {
    html! {
        figure {
            figcaption { (caption) }
            div class="wide" {
                div class="panels" { @for picture in wide { (picture.inline()) } }
            }
            div class="narrow" { @for picture in narrow { (picture.inline()) } }
        }
    }
}

/// Whether any cell of a column has an interval, which then takes a cell of its own.
fn has_ends(section: &Section, column: usize) -> bool {
    (section.table.rows.iter()).any(|row| {
        matches!(
            row.cells.get(column),
            Some(Cell::ShareWithin { .. } | Cell::AmountWithin { .. } | Cell::NumberWithin { .. })
        )
    })
}

/// What a row is called, with a link to what is behind it.
fn row_name(name: &str, all: &[Section]) -> Markup {
    let id = behind(name);
    html! {
        @if all.iter().any(|section| section.id == id) {
            a href={ "#" (id) } { (text::name(name)) }
        } @else {
            (text::name(name))
        }
    }
}

/// What a column is called, with a link to what that means.
fn column_name(section: &Section, at: usize) -> Markup {
    let column = &section.table.columns[at];
    html! {
        @if column.meaning.is_empty() {
            (text::name(&column.name))
        } @else {
            a href={ "#" (meaning_id(section, at)) } { (text::name(&column.name)) }
        }
    }
}

fn meaning_id(section: &Section, at: usize) -> String {
    format!("{}-meaning-{at}", section.id)
}

fn table(section: &Section, all: &[Section]) -> Markup {
    let title = text::name(&section.title);
    let columns = &section.table.columns;
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(title) {
            table {
                caption { (title) }
                @if columns.iter().any(|column| !column.name.is_empty()) {
                    thead {
                        tr {
                            @for (i, column) in columns.iter().enumerate() {
                                @if i > 0 && has_ends(section, i - 1) {
                                    th scope="col" colspan="2" title=(text::sentence(&column.meaning)) { (column_name(section, i)) }
                                } @else {
                                    th scope="col" title=(text::sentence(&column.meaning)) { (column_name(section, i)) }
                                }
                            }
                        }
                    }
                }
                tbody {
                    @for row in &section.table.rows {
                        tr {
                            th scope="row" { (row_name(&row.name, all)) }
                            @for (i, cell) in row.cells.iter().enumerate() {
                                (self::cell(cell, has_ends(section, i)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(cell: &Cell, has_ends: bool) -> Markup {
    match cell.shown() {
        (estimate, Some(ends)) => interval_cells(&estimate, &ends),
        (estimate, None) if has_ends => interval_cells(&estimate, ""),
        (estimate, None) if matches!(cell, Cell::Words { .. }) => {
            html! { td class="words" { (estimate) } }
        }
        (estimate, None) => html! { td { (estimate) } },
    }
}

fn meanings(section: &Section) -> Markup {
    let columns: &[Column] = &section.table.columns;
    html! {
        @if columns.iter().any(|column| !column.meaning.is_empty()) {
            p class="setup" {
                @for (at, column) in columns.iter().enumerate().filter(|(_, column)| !column.meaning.is_empty()) {
                    b id=(meaning_id(section, at)) { (text::name(&column.name)) } ": " (text::sentence(&column.meaning)) br;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;

    #[test]
    fn hostile_text_stays_text_and_nothing_is_fetched() {
        let page = example::document().html();
        for forbidden in [
            "<script>alert",
            "<img",
            "\u{1b}",
            "http://",
            "https://",
            "NaN",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn every_section_has_heading_table_and_plot() {
        let document = example::document();
        let page = document.html();
        for section in &document.sections {
            assert!(page.contains(&format!("<section id=\"{}\"", section.id)));
        }
        assert_eq!(page.matches("<table").count(), document.sections.len());
        assert!(page.contains("<svg class=\"plot\""));
    }

    #[test]
    #[ignore = "writes a page to look at, into the folder that TRIMTAB_REPORT_OUT names"]
    fn write_page() {
        let folder = std::env::var_os("TRIMTAB_REPORT_OUT")
            .map(std::path::PathBuf::from)
            .unwrap();
        std::fs::write(folder.join("document.html"), example::document().html()).unwrap();
    }
}
