//! Debates over scripted models.

mod barriers;
mod hall;
mod hostile;
mod judging;
mod optimised;
mod prompts;
mod protocols;
