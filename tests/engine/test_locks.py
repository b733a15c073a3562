"""One process trades an account: a lock by network and address, which dies with its process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.drive.locks import lock_account, lock_folder
from engine.errors import UsageError

ADDRESS = "0x" + "aB" * 20


def test_an_account_is_locked_once_and_the_error_names_who_holds_it(tmp_path: Path) -> None:
    with (
        lock_account("testnet", ADDRESS, tmp_path),
        pytest.raises(UsageError, match=rf"{ADDRESS} on testnet .*process {os.getpid()}\)"),
    ):
        lock_account("testnet", ADDRESS, tmp_path)


def test_an_address_is_the_same_in_any_case(tmp_path: Path) -> None:
    with lock_account("testnet", ADDRESS, tmp_path), pytest.raises(UsageError):
        lock_account("testnet", ADDRESS.lower(), tmp_path)


def test_a_lock_is_there_again_once_it_is_let_go(tmp_path: Path) -> None:
    lock_account("testnet", ADDRESS, tmp_path).close()

    with lock_account("testnet", ADDRESS, tmp_path) as again:
        assert str(os.getpid()).encode() == os.pread(again.fileno(), 100, 0)


@pytest.mark.parametrize(
    ("network", "address"), [("mainnet", ADDRESS), ("testnet", "0x" + "12" * 20)]
)
def test_another_network_or_address_is_another_lock(
    tmp_path: Path, network: str, address: str
) -> None:
    with lock_account("testnet", ADDRESS, tmp_path), lock_account(network, address, tmp_path):
        assert 2 == len([*tmp_path.iterdir()])


def test_folder_and_file_are_for_their_owner_only_and_name_no_address(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    with lock_account("testnet", ADDRESS, folder):
        (path,) = folder.iterdir()
        modes = [stat.S_IMODE(one.stat().st_mode) for one in (folder, path)]

    assert [0o700, 0o600] == modes
    assert ADDRESS[2:].lower() not in path.name


def test_a_holder_that_has_not_said_who_it_is_is_unknown(tmp_path: Path) -> None:
    with lock_account("testnet", ADDRESS, tmp_path) as lock:
        os.ftruncate(lock.fileno(), 0)
        with pytest.raises(UsageError, match=r"process unknown"):
            lock_account("testnet", ADDRESS, tmp_path)


def test_locks_are_kept_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Path("/state/perpd/locks") == lock_folder()

    monkeypatch.delenv("XDG_STATE_HOME")
    assert Path.home() / ".local/state/perpd/locks" == lock_folder()


def test_where_no_lock_can_be_kept_it_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match=r"file/locks: no lock can be kept there: Not a directory"):
        lock_account("testnet", ADDRESS, tmp_path / "file" / "locks")


def test_an_account_that_is_known_by_a_secret_is_called_otherwise(tmp_path: Path) -> None:
    with (
        lock_account("perpex", "a-secret", tmp_path, called="main"),
        pytest.raises(UsageError, match=r"account main on perpex .*process \d+") as caught,
    ):
        lock_account("perpex", "a-secret", tmp_path, called="main")

    assert "a-secret" not in str(caught.value)
    assert all("a-secret" not in path.name + path.read_text() for path in tmp_path.iterdir())
