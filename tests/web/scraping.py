"""Pages of /metrics made without HTTP, and what they say."""

import asyncio

from memory import Node
from prometheus_client.parser import text_string_to_metric_families

from airwave.web.figures import Browsers
from airwave.web.metrics import page

Labels = frozenset[tuple[str, str]]


NO_BROWSERS = Browsers({"sse": 0, "websocket": 0}, 0, 0)


def text(node: Node, browsers: Browsers = NO_BROWSERS) -> str:
    """The page as it is sent."""
    body, _ = asyncio.run(page(node.broker, "", browsers))
    return body.decode()


class Page:
    """The samples of a page."""

    def __init__(self, shown: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(shown)}
        self.samples: dict[tuple[str, Labels], float] = {}
        for family in self.families.values():
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self.samples, f"twice: {key}"
                self.samples[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float | None:
        """One sample; None: there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of all samples of a name."""
        return [dict(labels) for found, labels in self.samples if found == name]


def scrape(node: Node, browsers: Browsers = NO_BROWSERS) -> Page:
    """What a page says."""
    return Page(text(node, browsers))
