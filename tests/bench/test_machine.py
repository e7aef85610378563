"""What is kept about the machine."""

from airwave.bench.machine import command_line, describe, filesystem


def test_a_password_is_not_kept() -> None:
    argv = ["/x/airwave", "bench", "--against", "redis://me:s@cret@host:6379", "--save", "a b.json"]
    assert command_line(argv) == "airwave bench --against redis://…@host:6379 --save 'a b.json'"


def test_everything_is_described() -> None:
    about = describe("not pinned")
    assert all(about.values())
    assert about["python"].startswith("CPython 3.")
    assert about["cores"].endswith("(not pinned)")


def test_the_file_system_of_a_folder_is_told() -> None:
    assert filesystem("/proc/self") == "proc"
    assert filesystem("/") not in {"proc", "unknown"}
