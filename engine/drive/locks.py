"""One process trades one account: a lock by network and address, held until the process ends.

Where an account is known by a token, that stands for the address, and is named nowhere.

Two daemons on one account would each see the other's orders as somebody else's, and their nonces
would collide. The journal has a lock of its own; this one also meets a second config. The lock is a
file that the operating system lets go of when the process dies, however it dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from io import FileIO
from pathlib import Path

from engine.errors import UsageError


def lock_folder() -> Path:
    """Where locks are kept: the user's state folder (XDG_STATE_HOME)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "perpd" / "locks"


def lock_account(
    network: str, address: str, folder: Path | None = None, *, called: str = ""
) -> FileIO:
    """Lock an account for this process; closing the file lets go.

    It is `called` by its address unless that is a secret. Raises UsageError naming the process that
    holds it, or where no lock can be kept.
    """
    where = lock_folder() if folder is None else folder
    name = hashlib.sha256(f"{network} {address.lower()}".encode()).hexdigest()[:24]
    path = where / f"{name}.lock"
    try:
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise UsageError(
            f"{where}: no lock can be kept there: {error.strerror}; expected a folder of this"
            " user's own (XDG_STATE_HOME names another)"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        lock.close()
        raise UsageError(
            f"account {called or address} on {network} is traded by another perpd"
            f" (process {holder}); stop that one first"
        ) from None
    os.ftruncate(lock.fileno(), 0)
    os.write(lock.fileno(), str(os.getpid()).encode())
    return lock
