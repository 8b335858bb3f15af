//! Which calls of the kernel a program may make: seccomp.
//!
//! A short list of what may be called; everything else fails with `EPERM`: sockets (but for a pair of streams that only this program
//! holds), tracing, io_uring, mounts, keys, System V memory and semaphores, which outlive their maker, `setsid` and `setpgid`, so that
//! the process group stays one and can be killed as one, and all that takes a name away or gives a file another owner. Some calls are
//! let through with some arguments only:
//!
//! | call | allowed |
//! |---|---|
//! | `kill`, `tgkill` | to itself, and to its group |
//! | `clone` | without a new namespace; `clone3`, whose flags cannot be seen, is answered "not implemented" |
//! | `open`, `openat` | without `O_TMPFILE`: a file that has no name is not counted |
//! | `socketpair` | two connected streams |
//! | `prlimit64` | of itself |
//! | `fcntl` | without owners of signals (`F_SETOWN`, `F_SETSIG`) and sizes of pipes |
//! | `ioctl` | what asks or sets how a descriptor is read, and whether it is a terminal |
//! | `prctl` | names of threads and of memory |
//!
//! A program for another architecture (32 bits) is killed at its first call; numbers of x32 are on no list.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Allowed with any arguments.
const ALLOWED: &[i64] = &[
    // Files.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_fadvise64,
    libc::SYS_umask,
    libc::SYS_close_range,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    // The pair of streams.
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_shutdown,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_membarrier,
    // Signals to itself.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    // Time and what it is.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getrusage,
    libc::SYS_getrlimit,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    // Threads and processes.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_execve,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Answered by a filter of its own.
    libc::SYS_clone3,
];

/// Older names of the same, which only this architecture has.
#[cfg(target_arch = "x86_64")]
const ALSO_ALLOWED: &[i64] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_pause,
    libc::SYS_alarm,
    libc::SYS_time,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_creat,
    libc::SYS_getdents,
];
#[cfg(not(target_arch = "x86_64"))]
const ALSO_ALLOWED: &[i64] = &[];

/// `clone` with any of these makes a namespace.
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;
/// The bit of `O_TMPFILE` that is not `O_DIRECTORY`.
const UNNAMED: u64 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
/// What a stream is among kinds of sockets, without its flags.
const KIND_OF_SOCKET: u64 = 0xf;

/// The filters, in the order in which they are installed, of the process with this number.
pub(crate) fn filters(process: u32) -> Result<[BpfProgram; 2], BackendError> {
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let list = SeccompFilter::new(rules(process)?, refused, SeccompAction::Allow, arch)?;
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let clone3 = SeccompFilter::new(clone3, SeccompAction::Allow, absent, arch)?;
    // Once the list is in place, no filter can be added.
    Ok([clone3.try_into()?, list.try_into()?])
}

fn rules(process: u32) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let when = |argument, operator, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let one = |argument, value| -> Result<SeccompRule, BackendError> {
        SeccompRule::new(vec![when(argument, Eq, value)?])
    };
    let one_of = |argument, values: &[u64]| -> Result<Vec<SeccompRule>, BackendError> {
        values.iter().map(|&value| one(argument, value)).collect()
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = (ALLOWED.iter().chain(ALSO_ALLOWED))
        .map(|&call| (call, Vec::new()))
        .collect();
    let to = one_of(0, &[u64::from(process), 0])?;
    rules.insert(libc::SYS_kill, to.clone());
    rules.insert(libc::SYS_tgkill, to);
    let without = |argument, bits| SeccompRule::new(vec![when(argument, MaskedEq(bits), 0)?]);
    rules.insert(libc::SYS_clone, vec![without(0, NEW_NAMESPACES)?]);
    rules.insert(libc::SYS_openat, vec![without(2, UNNAMED)?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![without(1, UNNAMED)?]);
    let streams = vec![
        when(0, Eq, libc::AF_UNIX as u64)?,
        when(1, MaskedEq(KIND_OF_SOCKET), libc::SOCK_STREAM as u64)?,
    ];
    rules.insert(libc::SYS_socketpair, vec![SeccompRule::new(streams)?]);
    rules.insert(libc::SYS_prlimit64, vec![one(0, 0)?]);
    let owners = [
        libc::F_SETOWN,
        F_SETOWN_EX,
        F_SETSIG,
        libc::F_SETPIPE_SZ,
        libc::F_NOTIFY,
    ];
    let not_owners: Result<Vec<_>, _> = (owners.iter())
        .map(|&command| when(1, Ne, command.cast_unsigned().into()))
        .collect();
    rules.insert(libc::SYS_fcntl, vec![SeccompRule::new(not_owners?)?]);
    let asked = [
        libc::TCGETS,
        libc::TIOCGWINSZ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOCLEX,
        libc::FIONCLEX,
    ];
    rules.insert(libc::SYS_ioctl, one_of(1, &asked)?);
    let named = [
        libc::PR_SET_NAME,
        libc::PR_GET_NAME,
        libc::PR_SET_VMA,
        libc::PR_GET_DUMPABLE,
        libc::PR_CAPBSET_READ,
    ];
    let named = named.map(|option| u64::from(option.cast_unsigned()));
    rules.insert(libc::SYS_prctl, one_of(0, &named)?);
    Ok(rules)
}

/// Of `fcntl.h`; `libc` does not name them for every system.
const F_SETOWN_EX: i32 = 15;
const F_SETSIG: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlives_or_escapes_is_on_no_list() {
        let rules = rules(1).unwrap();
        let refused = [
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_sendmsg,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_setsid,
            libc::SYS_setpgid,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_mount,
            libc::SYS_keyctl,
            libc::SYS_bpf,
            libc::SYS_userfaultfd,
            libc::SYS_perf_event_open,
            libc::SYS_memfd_create,
            libc::SYS_shmget,
            libc::SYS_semget,
            libc::SYS_msgget,
            libc::SYS_mq_open,
            libc::SYS_unlinkat,
            libc::SYS_renameat2,
            libc::SYS_linkat,
            libc::SYS_symlinkat,
            libc::SYS_fchmodat,
            libc::SYS_fallocate,
            libc::SYS_openat2,
            libc::SYS_pidfd_send_signal,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_execveat,
            libc::SYS_mlockall,
            libc::SYS_setpriority,
            libc::SYS_clock_settime,
            libc::SYS_truncate,
            libc::SYS_tkill,
        ];
        for call in refused {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }

    #[test]
    fn filters_fit_the_kernel() {
        let [clone3, list] = filters(77).unwrap();
        // BPF_MAXINSNS.
        assert!(list.len() < 4096 && clone3.len() < 20);
    }
}
