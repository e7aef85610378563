"""A short run of the fuzzer: always the same steps, so that a failure can be looked at."""

from pathlib import Path

import pytest

from fuzz import fuzz


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_hostile_input_harms_nobody(seed: int, tmp_path: Path) -> None:
    steps = 300 if seed == 1 else 3000
    fuzzer = fuzz.fuzz(seed, lambda run: run.steps < steps, tmp_path / "inputs.jsonl")
    assert fuzzer.steps == steps


@pytest.mark.slow
def test_a_failure_is_saved_and_can_be_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"

    def end_the_server_behind_ten_steps(run: fuzz.Fuzzer) -> bool:
        if run.steps == 10:
            run.node.kill()
        return run.steps < 10

    with pytest.raises(fuzz.Failed, match=r"seed 3, step 10, inputs in .*inputs\.jsonl"):
        fuzz.fuzz(3, end_the_server_behind_ten_steps, path)
    assert len(path.read_text().splitlines()) >= 10
    fuzz.replay(path)
