//! `trimtab reproduce christiano2018`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use trimtab_amplify::iterate::{Arm, Scale, TaskKind, TrainingConfig};
use trimtab_amplify::task::measure::PropagationConfig;
use trimtab_amplify::task::{Errs, PermutationPowering, Task};
use trimtab_core::Seed;
use trimtab_report::distillation;
use trimtab_run::RunError;
use trimtab_run::distillation::{
    Distillation, DistillationError, PropagationRun, Study, TrainingRun, changed, distil,
};

use crate::commands::format::{Format, publish};
use crate::failure::Failure;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The tasks
    #[arg(long, value_enum, value_name = "TASK,TASK", value_delimiter = ',', default_values_t = [TaskName::PermutationPowering])]
    tasks: Vec<TaskName>,
    /// How large everything is
    #[arg(long, value_enum, default_value_t = ScaleName::Full)]
    scale: ScaleName,
    /// What is studied
    #[arg(long, value_enum, value_name = "STUDY,STUDY", value_delimiter = ',', default_values_t = [StudyName::Arms])]
    studies: Vec<StudyName>,
    /// Who makes the targets, where arms are compared [default: all]
    #[arg(long, value_enum, value_name = "ARM,ARM", value_delimiter = ',', default_values_t = ArmName::value_variants().to_vec(), hide_default_value = true)]
    arms: Vec<ArmName>,
    /// Trainings of each kind, with seeds that follow each other
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Steps of each training, in place of the scale's
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Change a setting of every training: `--set task.bits=5`, `--set learner.width=96`, `--set labels.rate=0.01`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder of results [default: runs/christiano2018-SCALE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Trainings at a time [default: the number of processors]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// No progress: only errors, and what is printed
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TaskName {
    /// `σ^k(x)` of a permutation
    PermutationPowering,
    /// Values of variables that are assigned from each other
    SequentialAssignments,
    /// Sums over strings that fit a pattern
    WildcardSum,
    /// Distances and first steps in a graph
    ShortestPath,
    /// Values of variables that are equal
    UnionFind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScaleName {
    /// Seconds: to see that it works
    Tiny,
    /// Minutes
    Small,
    /// Two processor cores, within the hour
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StudyName {
    /// Amplified, supervised, and not amplified
    Arms,
    /// An expert who errs: 1, 10 and 30 %
    Errors,
    /// Questions deeper than those trained on
    Extrapolation,
    /// Without the curriculum, and without a teacher
    Ablations,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArmName {
    /// The solver
    Supervised,
    /// The real expert with the learner's help
    AmplifiedExpert,
    /// Its predictor with the learner's help: the paper's procedure
    AmplifiedPredictor,
    /// The expert alone
    Unamplified,
}

impl TaskName {
    fn kind(self) -> TaskKind {
        match self {
            Self::PermutationPowering => TaskKind::PermutationPowering,
            Self::SequentialAssignments => TaskKind::SequentialAssignments,
            Self::WildcardSum => TaskKind::WildcardSum,
            Self::ShortestPath => TaskKind::ShortestPath,
            Self::UnionFind => TaskKind::UnionFind,
        }
    }
}

impl ScaleName {
    fn scale(self) -> Scale {
        match self {
            Self::Tiny => Scale::Tiny,
            Self::Small => Scale::Small,
            Self::Full => Scale::Full,
        }
    }
}

impl ArmName {
    fn arm(self) -> Arm {
        match self {
            Self::Supervised => Arm::Supervised,
            Self::AmplifiedExpert => Arm::AmplifiedExpert,
            Self::AmplifiedPredictor => Arm::AmplifiedPredictor,
            Self::Unamplified => Arm::Unamplified,
        }
    }
}

/// How often an erring expert errs.
const ERROR_RATES: [f64; 3] = [0.01, 0.1, 0.3];

/// The trainings that are asked for, those of the first seed first.
fn trainings(arguments: &Arguments) -> Result<Vec<TrainingRun>, Failure> {
    let mut trainings = Vec::new();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        for task in &arguments.tasks {
            let mut config = arguments.scale.scale().training(task.kind());
            if let Some(steps) = arguments.steps {
                config.steps = steps;
            }
            if !arguments.set.is_empty() {
                config = changed(&config, &arguments.set).map_err(RunError::File)?;
            }
            let largest = config.task.draw(config.task.hardest(), Seed(seed));
            let deepest = largest.deepest();
            let mut add = |study, what: &str, arm: Arm, config: TrainingConfig| {
                trainings.push(TrainingRun {
                    name: format!("{}-{what}-{seed}", config.task.name()),
                    study,
                    arm,
                    config,
                    seed,
                });
            };
            for study in &arguments.studies {
                match study {
                    StudyName::Arms => {
                        for arm in &arguments.arms {
                            add(Study::Arms, arm.arm().name(), arm.arm(), config.clone());
                        }
                    }
                    StudyName::Errors => {
                        for rate in ERROR_RATES {
                            let erring = TrainingConfig {
                                expert_error: rate,
                                ..config.clone()
                            };
                            let what = format!("error-{rate}");
                            add(Study::Errors, &what, Arm::AmplifiedExpert, erring);
                        }
                    }
                    StudyName::Extrapolation => {
                        let shallow = TrainingConfig {
                            deepest: Some(deepest.saturating_sub(1).max(1)),
                            ..config.clone()
                        };
                        for arm in [Arm::Supervised, Arm::AmplifiedPredictor] {
                            let what = format!("shallow-{}", arm.name());
                            add(Study::Extrapolation, &what, arm, shallow.clone());
                        }
                    }
                    StudyName::Ablations => {
                        let mut large = config.clone();
                        large.curriculum.threshold = 0.0;
                        let arm = Arm::AmplifiedPredictor;
                        add(Study::Ablation, "no-curriculum", arm, large);
                        let own = TrainingConfig {
                            teacher_horizon: 1.0,
                            ..config.clone()
                        };
                        add(Study::Ablation, "no-teacher", arm, own);
                    }
                }
            }
        }
    }
    Ok(trainings)
}

/// A replication by others that errors are also measured in: four elements, powers of three bits, and how often its learner was wrong
/// about powers of two bits (github.com/rmoehn/amplification).
const OTHERS: [(f64, f64); 3] = [(0.01, 0.0028), (0.1, 0.055), (0.3, 0.2153)];

/// What becomes of errors without any training: at those sizes, and at the scale's own with a learner that is wrong one time in twenty.
fn propagations(arguments: &Arguments) -> Vec<PropagationRun> {
    if !arguments.studies.contains(&StudyName::Errors) {
        return Vec::new();
    }
    let seed = arguments.seed;
    let four = Task::PermutationPowering(PermutationPowering {
        elements: 4,
        bits: 3,
    });
    let of_others = OTHERS.map(|(expert_error, learner_error)| PropagationRun {
        task: four,
        config: PropagationConfig {
            learner_error,
            expert_error,
            errs: Errs::Redraws,
            n_instances: 500,
            ..PropagationConfig::default()
        },
        seed,
    });
    let of_scale = arguments.tasks.iter().map(|task| PropagationRun {
        task: arguments.scale.scale().task(task.kind()),
        config: PropagationConfig::default(),
        seed,
    });
    of_others.into_iter().chain(of_scale).collect()
}

fn failure(error: DistillationError) -> Failure {
    let hint = error.hint();
    Failure::other(error, Some(hint))
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let scale = arguments.scale.scale();
    let asked = Distillation {
        scale,
        trainings: trainings(&arguments)?,
        propagations: propagations(&arguments),
        out: (arguments.out)
            .unwrap_or_else(|| format!("runs/christiano2018-{}", scale.name()).into()),
        threads: arguments.jobs.map_or(n_processors, NonZeroUsize::get),
    };
    let mut progress = Progress::new(arguments.quiet);
    let result = distil(&asked, &mut |event| progress.observe(event));
    progress.finish();
    let folder = result.map_err(failure)?;
    let document = distillation::describe(&folder).map_err(failure)?;
    publish(&document, &folder, arguments.format, arguments.quiet)
}
