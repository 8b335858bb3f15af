//! Programs that are not trusted: run them, bounded and shut in.
//!
//! What a model wrote is run to see what it does, and must not be able to do anything else. A [`Sandbox`] runs one [`Program`] and
//! returns an [`Outcome`]: how it ended, what it printed, what it took, which limit it ran into, and which [`Level`] of confinement
//! was really enforced. A sandbox never runs anything below the level that was asked for: it returns an error instead.
//!
//! How it is done, in order ([`launch`]): the parent starts a *launcher*, the program's own file with a hidden command, in a process
//! group and a work folder of its own. The launcher has one thread. It becomes a user that owns nothing (when it was root: the kernel
//! does not bound root's processes), bounds memory, processor time, files and processes, forbids itself new privileges, gives up the
//! file system but for the toolset and the work folder, the network and signals to others (landlock), and every call of the kernel
//! that is not on a short list (seccomp), and then becomes the program. The parent keeps time, reads at most so many bytes, watches
//! the work folder, kills the whole group at the end, and removes the folder.
//!
//! What it does not do: hide how busy the machine is, bound how much the machine's caches say of others, or hold against a flaw in
//! the kernel. Memory is bounded a process, so a program may take `memory` times `processes`. Linux only; elsewhere
//! [`SandboxError::NoBackEnd`].

mod batch;
mod error;
mod folder;
mod level;
mod limits;
mod outcome;
mod program;
mod sandbox;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod supervise;

pub use error::SandboxError;
#[cfg(target_os = "linux")]
pub use launch::launch;
pub use level::{BackEnd, Level};
pub use limits::{Limit, Limits};
pub use outcome::{Outcome, Status};
pub use program::{Program, system_python};
pub use sandbox::{Launcher, Sandbox};
