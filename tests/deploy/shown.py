"""Which metrics and labels an expression of PromQL names, and whether /metrics has them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from airwave.web.metrics import FIGURES

DEPLOY = Path(__file__).parents[2] / "deploy"

_NAME = re.compile(r"\b(?:airwave|process)_[a-z_]+\b")

KNOWN = {figure.full_name: set(figure.labels) for figure in FIGURES if figure.kind != "histogram"}
KNOWN |= {
    f"{figure.name}{suffix}": {*figure.labels, *(["le"] if suffix == "_bucket" else [])}
    for figure in FIGURES
    if figure.kind == "histogram"
    for suffix in ("_bucket", "_sum", "_count")
}
KNOWN["airwave_info"] = {"version", "redis_version"}
OF_PROMETHEUS = {"instance", "job"}


def names(expression: str) -> set[str]:
    """The metrics that it names."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', "", expression)))


def labels(expression: str) -> set[str]:
    """The labels that it matches and groups by."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    matched = {name for part in re.findall(r"\{([^{}]*)\}", bare) for name in re.findall(r"(\w+)\s*[=!]", part)}
    grouped = {name for part in re.findall(r"\bby \(([^()]*)\)", bare) for name in re.findall(r"\w+", part)}
    return matched | grouped


def problems(expression: str) -> list[str]:
    """What is wrong about an expression; none: nothing."""
    found = names(expression)
    unknown = sorted(found - set(KNOWN))
    if unknown:
        return [f"no such metric: {', '.join(unknown)}"]
    allowed = OF_PROMETHEUS.union(*[KNOWN[name] for name in found])
    strange = sorted(labels(expression) - allowed)
    return [f"no such label: {', '.join(strange)}"] if strange else []


def need(program: str) -> str:
    """The path of a program of Debian's package `prometheus`; the test is skipped without it, and fails in CI."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed: apt-get install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def output_of(*command: str | Path) -> str:
    """Run a program to its end; what it printed. It must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
