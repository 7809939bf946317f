"""Becomes another program that ends when its parent does, under another user where asked.

Run by path as ``python -I -S launch.py …``, never imported by the program it becomes, and free of imports beyond the
standard library's quick ones: it stands between us and every start of PostgreSQL.
Why a program of its own: the wish to die with the parent is forgotten by the kernel when the user changes, so it has
to come after that and before ``exec``, where code of a threaded parent must not run.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Linux, ``prctl(2)``: the signal this process gets when the thread that started it ends."""
CANNOT_EXECUTE = 126
"""Exit code, as the shell's, when the program cannot be executed by the user."""


def main(arguments: list[str]) -> None:
    """Takes ``UID GID PARENT_PID SIGNAL LIFELINE_FD PROGRAM ARGUMENTS…``; -1 for what does not apply."""
    uid, gid, parent_pid, death_signal, lifeline_fd = (int(value) for value in arguments[:5])
    command = arguments[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if lifeline_fd >= 0:
        watch_in_background(os.getpid(), lifeline_fd, death_signal)
    if os.getppid() != parent_pid:
        sys.exit("the process that started this one is gone")
    try:
        os.execv(command[0], command)  # noqa: S606 - this is what the script is for
    except OSError as error:
        sys.stderr.write(f"cannot execute {command[0]}: {error.strerror}\n")
        sys.exit(CANNOT_EXECUTE)


def watch_in_background(pid: int, lifeline_fd: int, death_signal: int) -> None:
    """Fork a watchdog, orphaned on purpose, that signals ``pid`` when the lifeline closes without a last word.

    For systems that have no ``PR_SET_PDEATHSIG``. The parent holds the other end of the pipe: the kernel closes it
    when the parent dies; before a parent closes it itself, it writes a byte.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.close(lifeline_fd)
        return
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for fd in range(3):
        os.close(fd)
    if not os.read(lifeline_fd, 1):
        os.kill(pid, death_signal)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
