"""The Grafana dashboard asks for metrics that exist, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from cache_streams.derived import OPEN_SOCKETS
from cache_streams.management.commands.export_docs import kept_metrics

DASHBOARD = json.loads((Path(settings.BASE_DIR) / "docs" / "grafana" / "gateway.json").read_text())
ADDED_BY_PROMETHEUS = {"instance", "job", "process", "le"}
FUNCTIONS = {"sum", "by", "rate", "increase", "histogram_quantile", "label_values"}


def names_and_labels() -> Iterator[tuple[str, set[str]]]:
    """Yield each number that a scrape tells, as Prometheus names it, with its labels."""
    for metric in kept_metrics():
        for family in metric.describe():
            ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            for end in ends:
                yield family.name + end, set(metric._labelnames)
    for family in (*OPEN_SOCKETS.describe(), *REGISTRY.collect()):
        for sample in family.samples:
            yield sample.name, set(sample.labels)


KNOWN = dict(names_and_labels())


def queries() -> Iterator[str]:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def metrics_of(query: str) -> set[str]:
    return set(re.findall(r"\b(?:gw|agents|process|python)_[a-z0-9_]+\b", query))


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_a_query_names_metrics_and_labels_that_exist(query: str) -> None:
    asked = metrics_of(query)
    assert asked, query
    assert asked <= KNOWN.keys()
    words = set(re.findall(r"[a-z_]+(?=\s*(?:=|!=|=~))", query))
    words |= {word for each in re.findall(r"by \(([^)]*)\)", query) for word in re.split(r",\s*", each)}
    allowed = set.union(*(KNOWN[name] for name in asked)) | ADDED_BY_PROMETHEUS
    assert words <= allowed


def test_every_panel_asks_something_and_has_a_place_of_its_own() -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert all(panel["targets"] for panel in panels)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
