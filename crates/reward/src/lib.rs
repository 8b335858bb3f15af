//! Reward models, preference losses, policy optimisation, and how far a proxy can be pushed.
