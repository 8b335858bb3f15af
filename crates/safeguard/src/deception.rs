//! Deceptive alignment: model organisms, what interpretability sees of them, and how they behave under shift.
