"""Runs a command that alone sees a small disk on a folder: ``python small_disk.py FOLDER BYTES COMMAND…``.

The disk is in memory and in a mount namespace of the command's own, so that it is gone with it, whoever kills it. Who
is not root gets one in a user namespace. (Linux manual pages: mount_namespaces(7), user_namespaces(7).)
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_REC_PRIVATE = 0x4000 | 0x40000


def main(folder: str, size_bytes: str, *command: str) -> None:
    """Mounts, and becomes the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    _check(libc.unshare(CLONE_NEWNS if uid == 0 else CLONE_NEWNS | CLONE_NEWUSER))
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _check(libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None))
    options = f"size={size_bytes},mode=0700,uid={uid},gid={gid}"
    _check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options.encode()))
    os.execv(command[0], command)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main(*sys.argv[1:])
