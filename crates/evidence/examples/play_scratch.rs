//! scratch
use std::io::Read as _;
fn read(path: &str) -> Vec<u8> {
    let mut b = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut b)
        .unwrap();
    b
}
fn main() {
    use trimtab_core::Seed;
    use trimtab_evidence::*;
    let a: Vec<String> = std::env::args().collect();
    let judge = Judge::from_bytes(&std::fs::read(&a[1]).unwrap()).unwrap();
    let pieces: usize = a[2].parse().unwrap();
    let n: usize = a[3].parse().unwrap();
    let rollouts: u32 = a[4].parse().unwrap();
    let d = "/work/shared/data/mnist";
    let te = Images::new(784, &read(&format!("{d}/t10k-images-idx3-ubyte.gz"))[16..]);
    let tel = read(&format!("{d}/t10k-labels-idx1-ubyte.gz"))[8..].to_vec();
    for first in [Side::Rival, Side::Claimant] {
        let t = std::time::Instant::now();
        let (mut right, mut games, mut asked, mut ev, mut leaves) = (0, 0, 0, 0, 0);
        for i in 0..n {
            let mut board = Board::new(&judge, &te, i);
            let claim = tel[i] as usize;
            let game = Game {
                claim,
                rival: RivalClaim::AnyOther,
                pieces,
                first,
            };
            let won = if rollouts == 0 {
                let mut solver = Solver::new(&mut board, &game);
                let all = solver.all();
                let w = solver.won(&mut board, &[], all) & !(1 << 10);
                leaves += solver.n_leaves();
                eprintln!("{i} {} {:.1}", solver.n_leaves(), t.elapsed().as_secs_f64());
                w.count_ones()
            } else {
                let mut s = Search::new(
                    SearchOptions {
                        rollouts,
                        ..Default::default()
                    },
                    Seed(i as u64),
                );
                (0..10)
                    .filter(|l| *l != claim)
                    .filter(|l| {
                        let g = Game {
                            rival: RivalClaim::Label(*l),
                            ..game
                        };
                        play_alone(&mut board, &g, &mut s).winner() == Side::Claimant
                    })
                    .count() as u32
            };
            right += usize::from(won == 9);
            games += won;
            let [x, y] = board.evaluations();
            asked += x;
            ev += y;
        }
        println!(
            "{first:?} first: {:.3} per game {:.4}; {:.2}s, asked {asked} evaluated {ev} leaves {leaves}",
            right as f64 / n as f64,
            games as f64 / n as f64 / 9.0,
            t.elapsed().as_secs_f64()
        );
    }
}
