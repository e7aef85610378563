"""What a worker may be told."""

import pytest

from airwave import Bus
from airwave.bus.options import Options


@pytest.mark.parametrize(
    "options",
    [
        {"retries": -1},
        {"concurrency": 0},
        {"timeout": 0},
        {"claim_after": 0},
        {"claim_after": 10, "gone_after": 5},
        {"dead_maxlen": 0},
        {"waiting_max": 0},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused_where_they_are_written(options):
    with pytest.raises(ValueError, match="must"):
        Options(**options)
    with pytest.raises(ValueError, match="must"):
        Bus("memory://").worker("orders", group="billing", **options)
