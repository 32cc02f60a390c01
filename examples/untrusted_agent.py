"""An untrusted agent: tries what it should not, and says which wall stopped it.

    deno run -A cli/main.ts run examples/untrusted_agent.py

Everything it tries is harmless where it succeeds. Ends with status 1 when something got through.
"""
import ctypes
import errno
import os
import signal
import socket
import tempfile
import time

libc = ctypes.CDLL(None, use_errno=True)
MOST_FORKS = 400


def refusal(name, *arguments, undo=None):
    """Calls libc in a process of its own, and gives the name of the error; None when there was none."""
    child = os.fork()
    if child == 0:
        failed = getattr(libc, name)(*arguments) == -1
        error = ctypes.get_errno() if failed else 0
        if not failed and undo:
            undo()
        os._exit(error)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        return signal.Signals(-status).name
    return errno.errorcode[status] if status else None


def mount():
    """On an empty directory, and taken away again where it works."""
    with tempfile.TemporaryDirectory() as directory:
        path = directory.encode()
        return refusal("mount", b"none", path, b"tmpfs", 0, None, undo=lambda: libc.umount(path))


def network():
    """Says so when there is any way out; where there seems to be none, tries an address that belongs to nobody."""
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        return None
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1).close()
        return None
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def operators_files():
    try:
        with open("/etc/shadow", encoding="utf-8"):
            return None
    except OSError as error:
        return errno.errorcode[error.errno]


def other_processes():
    """Sees the processes of its own sandbox, of which there are a handful."""
    seen = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    return f"sees {len(seen)}" if len(seen) < 10 else None


def fork_bomb():
    """Forks until it is stopped, or has forked enough to know that nobody will."""
    children = []
    stopped = None
    try:
        while len(children) < MOST_FORKS:
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            children.append(child)
    except OSError as error:
        stopped = f"{errno.errorcode[error.errno]} at {len(children)}"
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return stopped


def become_root():
    try:
        os.setuid(0)
        return None
    except OSError as error:
        return errno.errorcode[error.errno]


def write_system():
    try:
        with tempfile.TemporaryFile(dir="/usr/lib"):
            return None
    except OSError as error:
        return errno.errorcode[error.errno]


PTRACE_TRACEME = 0
CLONE_NEWUSER = 0x10000000
ATTEMPTS = [
    ("reach the network", "network namespace", network),
    ("fork without end", "limit on processes", fork_bomb),
    ("read the operator's files", "mount namespace", operators_files),
    ("see other processes", "pid namespace", other_processes),
    ("trace a process", "seccomp", lambda: refusal("ptrace", PTRACE_TRACEME, 0, 0, 0)),
    ("mount a file system", "seccomp", mount),
    ("make a user namespace", "seccomp", lambda: refusal("unshare", CLONE_NEWUSER)),
    ("become root", "user, capabilities", become_root),
    ("write to the system", "mounts, Landlock", write_system),
]

through = 0
print(f"{'IT TRIED TO':<28}{'AND GOT':<16}STOPPED BY")
for act, wall, attempt in ATTEMPTS:
    got = attempt()
    through += got is None
    print(f"{act:<28}{got or 'THROUGH':<16}{wall if got else 'nothing'}", flush=True)
raise SystemExit(1 if through else 0)
