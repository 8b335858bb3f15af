//! How well a program is shut in: an ordered scale, and what enforces it.

use serde::{Deserialize, Serialize};

/// What was enforced, from nothing to most; each has all that is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Time and output are bounded, and nothing else: for programs that are trusted.
    None,
    /// Resources are bounded, privileges dropped, and calls of the kernel restricted: no network, no tracing, no signals to others. The
    /// program still reads what its user may read: a kernel without landlock.
    Limits,
    /// It sees no files but the toolset and its work folder, and writes in the latter only.
    Files,
    /// The kernel also keeps network, devices and signals from it a second time (landlock since Linux 6.12).
    Confined,
    /// It has process numbers, a network and a file system of its own (bubblewrap).
    Namespaces,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Limits,
        Self::Files,
        Self::Confined,
        Self::Namespaces,
    ];

    /// Its name, as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Limits => "limits",
            Self::Files => "files",
            Self::Confined => "confined",
            Self::Namespaces => "namespaces",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What shuts a program in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackEnd {
    /// The kernel's own means, which need no privilege and no other program: landlock and seccomp.
    #[default]
    Landlock,
    /// Bubblewrap, where it is installed: namespaces, and seccomp in them.
    Bwrap,
    /// Nothing, and only when it is named: a bare process.
    None,
}

impl BackEnd {
    /// The highest level it may reach.
    pub fn reach(self) -> Level {
        match self {
            Self::Landlock => Level::Confined,
            Self::Bwrap => Level::Namespaces,
            Self::None => Level::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_as_they_are_listed_and_named_as_they_are_stored() {
        assert!(Level::ALL.is_sorted());
        for level in Level::ALL {
            assert_eq!(
                serde_json::to_string(&level).unwrap(),
                format!("{:?}", level.name())
            );
        }
    }
}
