//! Value extrapolation: what people would want where nobody was asked.
