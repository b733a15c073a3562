"""A process whose venue takes connections and never answers ends well at the first Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.acceptance.test_restart import CONFIG, PERPEX, Daemon

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]


@pytest.mark.parametrize("config", [CONFIG, PERPEX])
async def test_a_stop_is_taken_while_the_venue_does_not_answer(config: str, tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    url = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    urls = {"url": f"http://{url}", "ws_url": f"ws://{url}", "reference_url": f"http://{url}"}
    (tmp_path / "run.toml").write_text(config.format(**urls), encoding="utf-8")
    daemon = Daemon(tmp_path)
    await daemon.start("--json")
    await asyncio.wait_for(asked.wait(), 30)
    daemon.process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(daemon.process.communicate(), 5)
    server.close()

    assert (0, b"") == (daemon.process.returncode, out), err.decode()
    assert "stopped while it opened; no order was sent" in err.decode()
