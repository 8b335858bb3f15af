//! A document in GitHub-flavoured Markdown.

use super::Document;
use crate::markdown::{Page, escape, name};
use crate::{number, text};

pub(super) fn render(document: &Document) -> String {
    let mut page = Page::default();
    page.line(&format!("# {}", name(&document.name)));
    page.line("");
    page.line(&escape(&text::sentence(&document.sentence)));
    for notice in &document.notices {
        page.line("");
        page.line(&format!("> {}", escape(&text::sentence(notice))));
    }
    for section in &document.sections {
        page.line("");
        page.line(&format!("## {}", name(&section.title)));
        page.line("");
        page.line(&escape(&text::sentence(&section.text)));
        page.line("");
        let columns = &section.table.columns;
        page.row(&columns.iter().map(|c| name(&c.name)).collect::<Vec<_>>());
        page.line(&format!("|:--|{}", "--:|".repeat(columns.len() - 1)));
        for row in &section.table.rows {
            let cells = row.cells.iter().map(|cell| match cell.shown() {
                (estimate, None) => escape(&estimate),
                (estimate, Some(ends)) => escape(&format!("{estimate} {ends}")),
            });
            page.row(
                &std::iter::once(name(&row.name))
                    .chain(cells)
                    .collect::<Vec<_>>(),
            );
        }
        page.line("");
        if let Some(curves) = &section.curves {
            page.line(&escape(&text::sentence(&curves.caption)));
            page.line("");
            page.row(
                &["", "Shape", &name(&curves.y.name), &name(&curves.x.name)].map(String::from),
            );
            page.line("|:--|:--|--:|--:|");
            for row in curves.rows() {
                page.row(&row.map(|cell| name(&cell)));
            }
            page.line("");
        }
        for column in columns.iter().filter(|c| !c.meaning.is_empty()) {
            page.line(&format!(
                "- *{}*: {}",
                name(&column.name),
                escape(&text::sentence(&column.meaning))
            ));
        }
    }
    page.line("");
    page.line(&format!(
        "Run {}, Trimtab {}; {} intervals: {}",
        name(&document.run_id),
        name(&document.version),
        number::percent_whole(document.level),
        escape(&text::sentence(&document.interval_method)),
    ));
    page.into_text()
}

#[cfg(test)]
mod tests {
    use super::super::example;

    #[test]
    fn a_document_in_markdown() {
        insta::assert_snapshot!(example::document().markdown());
    }
}
