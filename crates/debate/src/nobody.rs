//! Who stands for a role that a protocol has no use for: it is never asked, and if it were, every call would be a counted failure.

use trimtab_core::chat::{ChatModel, Failure, FailureClass, ModelError, Outcome, Request};

/// Nobody.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl ChatModel for Nobody {
    fn name(&self) -> String {
        "nobody".into()
    }

    fn ask(
        &self,
        requests: &mut dyn Iterator<Item = Request>,
        answered: &mut dyn FnMut(usize, Outcome),
    ) -> Result<(), ModelError> {
        for (i, _) in requests.enumerate() {
            let failure = Failure {
                class: FailureClass::Rejected,
                message: "nobody is bound to this role".into(),
            };
            answered(i, Err(failure));
        }
        Ok(())
    }
}
