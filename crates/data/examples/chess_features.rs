//! Computes what is stored of the built-in chess puzzles: the features of a search of every move.
//!
//! ```text
//! cargo run --release -p trimtab-data --example chess_features -- DATA
//! ```
//!
//! `DATA` is the repository's `data/`. A test compares the file with what is computed anew.

use half::f16;
use trimtab_data::{DataConfig, Locations, load};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let folder = std::path::Path::new(&folder).join("chess-puzzles");
    let config = DataConfig::new("chess-puzzles.jsonl.gz");
    let set = load(&config, &Locations::new(&folder))?;
    for features in &set.features {
        if features.name == "chess-search" {
            let rows = features.table.rows(&set.questions)?;
            let mut values = vec![0.0; rows.len() * rows.dim()];
            rows.read(0..rows.len(), rows.dim(), &mut values);
            let bytes = values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes());
            std::fs::write(folder.join("chess-search.f16"), bytes.collect::<Vec<_>>())?;
        }
    }
    Ok(())
}
