//! Pages of a run: what happens in it, its transcripts, and people who judge them.
