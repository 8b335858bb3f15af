//! The escape battery: each program tries one way out, says how far it got, and must not have got anywhere.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trimtab_sandbox::{BackEnd, Level, Limit, Status, system_python};

use crate::host::{Host, everywhere, is_root};

/// Tries each expression, and prints what became of it: a name of an error, or `did it`.
const TRY: &str = "
import ctypes, errno, os, socket, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what):
    try:
        got = what()
    except OSError as error:
        print(errno.errorcode[error.errno])
        return
    if got == -1 and ctypes.get_errno():
        print(errno.errorcode[ctypes.get_errno()])
        return
    print('did it', got)
";

/// That every attempt in `lines` failed.
fn none_succeeds(host: &Host, attempts: &[&str]) {
    let lines: Vec<String> = (attempts.iter())
        .map(|attempt| format!("attempt(lambda: {attempt})\n"))
        .collect();
    let outcome = host.run(&format!("{TRY}{}", lines.concat()));
    let answers: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(
        (answers.len(), outcome.status),
        (attempts.len(), Status::Exited(0)),
        "{host:?}: {outcome:?}"
    );
    let got = attempts.iter().zip(&answers);
    let succeeded: Vec<_> = got
        .filter(|(_, answer)| answer.starts_with("did"))
        .collect();
    assert!(succeeded.is_empty(), "{host:?}: {succeeded:?}");
    assert!(outcome.enforced >= host.back_end.reach().min(Level::Files));
}

#[test]
fn what_is_allowed_works() {
    everywhere(|host| {
        let outcome = host.run(
            "import os, sys, threading, subprocess, asyncio, random, math, json, re\n\
             open('made', 'w').write('x' * 1000)\n\
             os.mkdir('folder'); open('folder/inner', 'w').close()\n\
             print(len(open('made').read()), sorted(os.listdir('.')))\n\
             t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n\
             print(subprocess.run(['/bin/echo', 'child'], capture_output=True).stdout)\n\
             asyncio.run(asyncio.sleep(0.001))\n\
             print([name for name in os.environ if name != 'LC_CTYPE'], sys.stdin.read() == '')\n\
             print('error', file=sys.stderr)\n\
             sys.exit(7)\n",
        );
        assert_eq!(
            outcome.stdout, "1000 ['folder', 'made', 'program.py']\nthread\nb'child\\n'\n[] True\n",
            "{outcome:?}"
        );
        assert_eq!((outcome.status, outcome.limit), (Status::Exited(7), None));
        assert_eq!(outcome.stderr, "error\n");
        assert_eq!(outcome.back_end, host.back_end);
        assert!(outcome.seconds > 0.0);
    });
}

#[test]
fn homes_cannot_be_read() {
    everywhere(|host| {
        let home = host.path("home");
        let home = home.display();
        none_succeeds(
            host,
            &[
                &format!("open('{home}/secret').read()"),
                &format!("os.listdir('{home}')"),
                &format!("os.open('{home}', os.O_RDONLY | os.O_DIRECTORY)"),
                "os.listdir('/root')",
                "os.listdir('/home')",
                "os.listdir('/')",
                "os.listdir('..')",
                "os.listdir('/sys/kernel')",
                "open('/etc/shadow').read()",
                "open('/etc/passwd').read()",
            ],
        );
    });
}

#[test]
fn nothing_outside_is_written() {
    everywhere(|host| {
        let home = host.path("home");
        let home = home.display();
        none_succeeds(
            host,
            &[
                &format!("open('{home}/new', 'w')"),
                &format!("open('{home}/secret', 'a').write('x')"),
                &format!("os.truncate('{home}/secret', 0)"),
                &format!("os.mkdir('{home}/folder')"),
                &format!("os.remove('{home}/secret')"),
                &format!("os.rename('{home}/secret', 'mine')"),
                &format!("os.chmod('{home}/secret', 0)"),
                &format!("os.utime('{home}/secret')"),
                "open('/tmp/sandbox-escaped', 'w')",
                "open('/dev/shm/sandbox-escaped', 'w')",
                "open('/usr/sandbox-escaped', 'w')",
                "open('../sandbox-escaped', 'w')",
                "os.mkfifo('pipe')",
                "os.mknod('device', 0o020666, 0x101)",
                // What has no name, or loses it, could not be counted.
                "os.open('.', os.O_TMPFILE | os.O_RDWR)",
                "os.memfd_create('hidden')",
                "(open('mine', 'w').close(), os.remove('mine'))",
                "(open('mine', 'w').close(), os.rename('mine', 'yours'))",
            ],
        );
    });
}

#[test]
fn links_lead_nowhere() {
    everywhere(|host| {
        fs::create_dir(host.path("shared")).unwrap();
        let secret = host.path("home/secret");
        std::os::unix::fs::symlink(&secret, host.path("shared/link")).unwrap();
        fs::write(host.path("shared/plain"), "read me").unwrap();
        host.readable = vec![host.path("shared")];
        let (shared, secret) = (host.path("shared"), secret.display().to_string());
        let shared = shared.display();
        none_succeeds(
            host,
            &[
                &format!("open('{shared}/link').read()"),
                &format!("os.symlink('{secret}', 'link')"),
                &format!("os.link('{secret}', 'link')"),
                &format!("open('{shared}/plain', 'a')"),
            ],
        );
        let outcome = host.run(&format!("print(open('{shared}/plain').read())"));
        assert_eq!(outcome.stdout, "read me\n", "{outcome:?}");
    });
}

#[test]
fn no_network() {
    everywhere(|host| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        none_succeeds(
            host,
            &[
                &format!("socket.create_connection(('127.0.0.1', {port}), 1)"),
                "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
                "socket.socket(socket.AF_INET6)",
                "socket.socket(socket.AF_UNIX)",
                "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
                "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
                "socket.socketpair()[0].sendmsg([b'x'])",
            ],
        );
        let nobody = listener.accept().unwrap_err();
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    });
}

#[test]
fn other_processes_are_left_alone() {
    everywhere(|host| {
        let mut bystander = host.bystander();
        let pid = bystander.id();
        none_succeeds(
            host,
            &[
                &format!("os.kill({pid}, signal.SIGKILL)"),
                &format!("libc.syscall(234, {pid}, {pid}, 9)"),
                &format!("libc.syscall(200, {pid}, 9)"),
                &format!("libc.ptrace(16, {pid}, 0, 0)"),
                &format!("open('/proc/{pid}/mem', 'rb+')"),
                &format!("os.pidfd_open({pid})"),
                &format!("os.sched_setaffinity({pid}, {{0}})"),
                &format!("os.setpriority(os.PRIO_PROCESS, {pid}, 19)"),
                &format!("libc.syscall(310, {pid}, 0, 0, 0, 0, 0)"),
                &format!(
                    "__import__('resource').prlimit({pid}, __import__('resource').RLIMIT_CPU)"
                ),
                // Signal 0: asks whether it could, and would hurt nobody if it can.
                "os.kill(-1, 0)",
                "os.kill(1, 0)",
                // Its own parent, which is the sandbox's.
                "os.kill(os.getppid(), 0)",
                "os.kill(os.getppid(), signal.SIGKILL)",
                "os.kill(os.getppid(), signal.SIGSTOP)",
                "libc.ptrace(0, 0, 0, 0)",
                "open('/proc/self/mem', 'rb+')",
                "open(f'/proc/{os.getppid()}/environ').read()",
            ],
        );
        assert_eq!(bystander.try_wait().unwrap(), None, "it still sleeps");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    });
}

#[test]
fn calls_of_the_kernel_that_lead_out_are_refused() {
    everywhere(|host| {
        none_succeeds(
            host,
            &[
                // io_uring_setup, io_uring_enter
                "libc.syscall(425, 8, ctypes.create_string_buffer(256))",
                "libc.syscall(426, 0, 0, 0, 0, 0)",
                "os.setsid()",
                "os.setpgid(0, 0)",
                "libc.unshare(0x10000000)",
                // clone with a user namespace; clone3
                "libc.syscall(56, 0x10000011, 0, 0, 0, 0)",
                "libc.syscall(435, ctypes.create_string_buffer(88), 88)",
                "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
                "os.chroot('.')",
                "os.setuid(0)",
                "os.setgid(0)",
                // shmget, semget, msgget
                "libc.shmget(0, 4096, 0o1666)",
                "libc.semget(0, 1, 0o1666)",
                "libc.msgget(0, 0o1666)",
                // add_key, keyctl, bpf, userfaultfd, perf_event_open
                "libc.syscall(248, b'user', b'a', b'b', 1, -2)",
                "libc.syscall(250, 0, -3, 1)",
                "libc.syscall(321, 0, 0, 0)",
                "libc.syscall(323, 0)",
                "libc.syscall(298, 0, 0, -1, -1, 0)",
                // prctl: death signal off, dumpable, new filters
                "libc.prctl(1, 0)",
                "libc.prctl(4, 1)",
                "libc.prctl(22, 1)",
                // fcntl F_SETOWN, ioctl TIOCSTI
                "__import__('fcntl').fcntl(1, 8, os.getppid())",
                "__import__('fcntl').ioctl(0, 0x5412, b'x')",
                // A call of x32
                "libc.syscall(0x40000000 + 39)",
            ],
        );
    });
}

/// Forks children that sleep, and prints how many it had at one time.
const FORKS: &str = "
import os, time
n = 0
try:
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        n += 1
except OSError:
    pass
print(n, flush=True)
";

/// What the fork test asks: how many children there were, and whether that is within `limit`.
fn forks_are_bounded(printed: &str, limit: u64) -> bool {
    printed.trim().parse::<u64>().is_ok_and(|n| n < limit)
}

#[test]
fn forks_are_bounded_everywhere() {
    everywhere(|host| {
        // Of a shared user, processes that end while this runs make room; a bomb is stopped all the same.
        let room = 2 * host.limits.processes;
        let outcome = host.run(FORKS);
        assert!(
            forks_are_bounded(&outcome.stdout, room),
            "{host:?}: {outcome:?}"
        );
    });
}

#[test]
fn twin_that_keeps_root_bounds_no_forks() {
    // The classical mistake: limits on a process of root, which the kernel does not apply to it.
    if !is_root() {
        return;
    }
    let limited =
        format!("import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (8, 8))\n{FORKS}");
    let mut child = Command::new(system_python().unwrap())
        .args(["-I", "-c", &limited])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut printed = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut printed).unwrap();
    kill_group_of(&child);
    child.wait().unwrap();
    assert!(!forks_are_bounded(&printed, 16), "{printed}");
    assert_eq!(printed.trim(), "200");
}

fn kill_group_of(child: &std::process::Child) {
    let group = format!("-{}", child.id());
    let killed = Command::new("/bin/kill")
        .args(["-9", "--", &group])
        .status();
    assert!(killed.unwrap().success());
}

#[test]
fn memory_is_bounded() {
    everywhere(|host| {
        host.limits.memory = 200;
        let outcome = host.run(
            "kept = []\n\
             try:\n\
            \x20   for _ in range(64): kept.append(bytearray(64 << 20))\n\
             except MemoryError: pass\n\
             print(len(kept))",
        );
        let got: u64 = outcome.stdout.trim().parse().unwrap();
        assert!(got <= 3, "{host:?}: {outcome:?}");
    });
}

#[test]
fn disks_are_not_filled() {
    everywhere(|host| {
        host.limits.disk = 4;
        let many = host.run(
            "i = 0\n\
             while i < 4000:\n\
            \x20   open(f'{i}', 'wb').write(b'x' * (1 << 20)); i += 1",
        );
        let one = host.run("f = open('one', 'wb')\nwhile True: f.write(b'x' * (1 << 20))");
        let deep = host.run(
            "import os\n\
             for i in range(1000000): os.mkdir('d'); os.chdir('d')",
        );
        for outcome in [many, one, deep] {
            let ended_by_us = outcome.limit == Some(Limit::Disk);
            let refused = outcome.status != Status::Exited(0) && outcome.stderr.contains("Error");
            assert!(ended_by_us || refused, "{host:?}: {outcome:?}");
        }
    });
}

/// Leaves a child of a child behind that ignores what it can.
fn leaves_behind(mark: &str) -> String {
    format!(
        "import os, signal, time\n\
         for number in range(1, 32):\n\
        \x20   try: signal.signal(number, signal.SIG_IGN)\n\
        \x20   except (OSError, ValueError): pass\n\
         for away in (os.setsid, lambda: os.setpgid(0, 0)):\n\
        \x20   try: away()\n\
        \x20   except OSError: pass\n\
         if os.fork() == 0:\n\
        \x20   if os.fork() == 0:\n\
        \x20       os.closerange(0, 64)\n\
        \x20       os.execv('/bin/sleep', ['sleep', '{mark}'])\n\
        \x20   os._exit(0)\n\
         time.sleep(0.2)\n\
         print('forked', flush=True)\n"
    )
}

/// Processes of this mark that are alive.
fn alive(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            line.starts_with(format!("sleep\0{mark}\0").as_bytes())
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Whether a process of this mark is alive, after it had time to die.
fn is_alive(mark: &str) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until && !alive(mark).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    !alive(mark).is_empty()
}

#[test]
fn nothing_is_alive_afterwards() {
    everywhere(|host| {
        let mark = format!("61.{}", std::process::id());
        let ended = host.run(&leaves_behind(&mark));
        assert_eq!(
            (ended.status, ended.limit),
            (Status::Exited(0), None),
            "{ended:?}"
        );
        assert_eq!(ended.stdout, "forked\n");
        assert!(!is_alive(&mark), "{host:?}");
        host.limits.time = 4.0;
        let ran_on = host.run(&format!("{}time.sleep(60)", leaves_behind(&mark)));
        assert_eq!(ran_on.limit, Some(Limit::Time));
        assert_eq!(ran_on.stdout, "forked\n");
        assert!(!is_alive(&mark), "{host:?}");
    });
}

#[test]
fn twin_that_kills_only_the_child_leaves_its_children() {
    // The classical mistake: `kill` of the process that was started.
    let mark = format!("62.{}", std::process::id());
    let source = format!("{}time.sleep(60)", leaves_behind(&mark));
    let mut child = Command::new(system_python().unwrap())
        .args(["-I", "-c", &source])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_alive(&mark));
    for process in alive(&mark) {
        let killed = Command::new("/bin/kill").args(["-9", &process]).status();
        assert!(killed.unwrap().success());
    }
    assert!(!is_alive(&mark));
}

#[test]
fn time_ends_what_sleeps_and_what_computes() {
    everywhere(|host| {
        host.limits.time = 0.5;
        let slept = host.run("import time\ntime.sleep(60)");
        assert_eq!(
            (slept.limit, slept.status),
            (Some(Limit::Time), Status::Signalled(9))
        );
        host.limits.time = 120.0;
        host.limits.cpu = 1.0;
        let computed = host.run("while True: pass");
        assert_eq!(computed.limit, Some(Limit::Cpu), "{computed:?}");
    });
}

#[test]
fn what_is_printed_without_end_is_cut_off() {
    everywhere(|host| {
        host.limits.output = 8;
        for stream in ["stdout", "stderr"] {
            // A gigabyte, a piece at a time.
            let outcome = host.run(&format!(
                "import sys\nfor _ in range(1 << 14): sys.{stream}.write('x' * (1 << 16))"
            ));
            assert_eq!(outcome.limit, Some(Limit::Output), "{outcome:?}");
            let kept = outcome.stdout.len() + outcome.stderr.len();
            assert!((8 << 10..16 << 10).contains(&kept), "{kept}");
        }
        let exactly = host.run("print('x' * 8191)");
        assert_eq!((exactly.limit, exactly.stdout.len()), (None, 8192));
    });
}

#[test]
fn open_files_are_not_inherited() {
    everywhere(|host| {
        let run =
            host.command("import os\ntry: print(os.read(7, 100))\nexcept OSError as e: print(e)");
        // Not before the shell opened the secret as its seventh file.
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", "exec 7<\"$0\"; exec \"$@\""])
            .arg(host.path("home/secret"))
            .arg(run.get_program())
            .args(run.get_args());
        if host.who == crate::host::Who::Ordinary && is_root() {
            shell.uid(54_321).gid(54_321);
        }
        let outcome = crate::host::outcome(&shell.output().unwrap());
        assert_eq!(
            outcome.stdout, "[Errno 9] Bad file descriptor\n",
            "{host:?}"
        );
    });
}

#[test]
fn a_folder_made_unreadable_is_removed_all_the_same() {
    everywhere(|host| {
        let outcome =
            host.run("import os\nos.makedirs('a/b/c')\nos.mkdir('shut', 0)\nprint('made')");
        assert_eq!(outcome.stdout, "made\n", "{outcome:?}");
        assert!(matches!(outcome.limit, None | Some(Limit::Disk)));
        assert!(host.back_end != BackEnd::None);
    });
}
