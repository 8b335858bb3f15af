//! `trimtab schema`.

use trimtab_run::{Experiment, experiment_file};

use crate::failure::{Failure, print};

pub(crate) fn run() -> Result<(), Failure> {
    print(&experiment_file::schema::<Experiment>())
}
