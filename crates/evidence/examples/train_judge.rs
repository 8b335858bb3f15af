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
    use trimtab_evidence::judge::*;
    use trimtab_evidence::*;
    let a: Vec<String> = std::env::args().collect();
    let hidden: Vec<usize> = a[1].split(',').map(|x| x.parse().unwrap()).collect();
    let pieces: usize = a[2].parse().unwrap();
    let steps: usize = a[3].parse().unwrap();
    let batch: usize = a[4].parse().unwrap();
    let lr: f64 = a[5].parse().unwrap();
    let wd: f64 = a[6].parse().unwrap();
    let d = "/work/shared/data/mnist";
    let tr = Images::new(784, &read(&format!("{d}/train-images-idx3-ubyte.gz"))[16..]);
    let trl = read(&format!("{d}/train-labels-idx1-ubyte.gz"))[8..].to_vec();
    let te = Images::new(784, &read(&format!("{d}/t10k-images-idx3-ubyte.gz"))[16..]);
    let tel = read(&format!("{d}/t10k-labels-idx1-ubyte.gz"))[8..].to_vec();
    let targets: Vec<f32> = trl
        .iter()
        .flat_map(|l| (0..10).map(move |c| if c == *l { 1.0 } else { 0.0 }))
        .collect();
    let options = JudgeOptions {
        hidden,
        pieces,
        steps,
        batch_size: batch,
        learning_rate: lr,
        weight_decay: wd,
        ..Default::default()
    };
    let t = std::time::Instant::now();
    let mut run = 0.0;
    let judge = Judge::train(
        Lessons {
            cases: &tr,
            targets: &targets,
            n_labels: 10,
        },
        &options,
        trimtab_core::Seed(0),
        2,
        &mut |s| {
            run += s.loss;
            if s.step % 2000 == 0 {
                eprintln!(
                    "{} {:.4} {:.1}s",
                    s.step,
                    run / 2000.0,
                    t.elapsed().as_secs_f64()
                );
                run = 0.0;
            }
        },
    )
    .unwrap();
    let acc = |cases: &Images, labels: &[u8]| {
        let mut stream = trimtab_core::Seed(7).stream();
        let mut right = 0;
        for i in 0..labels.len().min(10000) {
            let n = cases.n_pieces(i);
            let mut p = Vec::new();
            while p.len() < pieces {
                let x = stream.below(n);
                if !p.contains(&x) {
                    p.push(x);
                }
            }
            let z = judge.logits(cases, i, &p);
            let best = (0..10).max_by(|a, b| z[*a].total_cmp(&z[*b])).unwrap();
            right += usize::from(best == labels[i] as usize);
        }
        right as f64 / labels.len().min(10000) as f64
    };
    println!(
        "{:?} train {:.4} test {:.4} {:.0}s",
        a,
        acc(&tr, &trl),
        acc(&te, &tel),
        t.elapsed().as_secs_f64()
    );
    std::fs::write(&a[7], judge.to_bytes().unwrap()).unwrap();
}
