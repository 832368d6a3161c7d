"""A relay that was started by hand answers its own metrics, to those of the settings, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as prometheus

from cache_streams.server.children import dying_with_parent
from tests.live import BASE
from tests.settings import TEST_REDIS

TOKEN = "metrics-of-a-relay"
DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL at which a relay of its own tells its metrics."""
    log = tmp_path_factory.mktemp("relay") / "relay.log"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "fullon_master.settings",
        "REDIS_URL": TEST_REDIS.url,
        "GW_PREFIX": "by-hand",
        "METRICS_TOKEN": TOKEN,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            dying_with_parent(sys.executable, "manage.py", "relay", "--port=0"),
            stdout=output, stderr=output, env=environment, cwd=BASE,
        )  # fmt: skip
    try:
        yield told_url(log, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def told_url(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Metrics on (http://\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def asked(url: str, token: str | None = TOKEN) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(url, headers=headers, timeout=DEADLINE_S)


def test_it_tells_that_it_leads(relay: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (told := leading(relay)) != {"main": 1.0}:
        assert time.monotonic() < deadline, told


def leading(url: str) -> dict[str, float]:
    """Return by process whether it leads."""
    samples = [each for family in prometheus(asked(url).text) for each in family.samples]
    return {each.labels["process"]: each.value for each in samples if each.name == "gw_relay_leading"}


def test_who_is_not_named_in_the_settings_is_refused(relay: str) -> None:
    assert [asked(relay, token).status_code for token in (None, "another-token-of-some-length")] == [403, 403]


def test_nothing_else_is_served(relay: str) -> None:
    assert asked(relay.replace("/metrics", "/admin/")).status_code == 404
    assert httpx.post(relay, timeout=DEADLINE_S).status_code == 404
