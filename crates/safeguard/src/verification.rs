//! Formal verification of supervisory models: bounds that hold for every input of a box.
