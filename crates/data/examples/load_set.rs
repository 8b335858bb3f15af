//! Loads a data set and says what it has and what that took.
//!
//! ```text
//! cargo run --release -p trimtab-data --example load_set -- SET [CACHE_DIR]
//! ```

use std::time::Instant;

use trimtab_data::{DataConfig, Locations, fingerprint, load};

#[expect(clippy::print_stdout, reason = "this is what an example is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let config = DataConfig::new(&args.next().ok_or("which set?")?);
    let mut locations = Locations::new(".");
    locations.cache_dir = args.next().map(Into::into);

    let start = Instant::now();
    let fingerprint = fingerprint(&config, &locations)?;
    println!(
        "fingerprint {fingerprint} in {:.3} s",
        start.elapsed().as_secs_f64()
    );

    let start = Instant::now();
    let set = load(&config, &locations)?;
    println!(
        "{} rows in {:.2} s",
        set.questions.len(),
        start.elapsed().as_secs_f64()
    );
    println!("cache: {:?}, sha256 {}", set.cache, set.sha256);
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
            println!("peak memory {}", line.trim_start_matches("VmHWM:").trim());
        }
    }
    Ok(())
}
