"""Which sources have changed."""

import os

from airwave.cli.watch import Watch


def test_changes_are_told_once(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "pkg" / "b.py").write_text("1")
    watch = Watch(tmp_path)
    assert watch.changed() == []
    (tmp_path / "pkg" / "b.py").write_text("22")
    (tmp_path / "c.py").write_text("1")
    (tmp_path / "a.py").unlink()
    assert watch.changed() == ["a.py", "c.py", os.path.join("pkg", "b.py")]
    assert watch.changed() == []


def test_a_new_time_is_a_change(tmp_path):
    (tmp_path / "a.py").write_text("1")
    watch = Watch(tmp_path)
    os.utime(tmp_path / "a.py", ns=(1, 1))
    assert watch.changed() == ["a.py"]


def test_what_is_no_source_is_left_out(tmp_path):
    for name in (".git", "__pycache__", "venv", "node_modules"):
        (tmp_path / name).mkdir()
    watch = Watch(tmp_path)
    for name in ("notes.txt", ".git/a.py", "__pycache__/a.py", "venv/a.py", "node_modules/a.py"):
        (tmp_path / name).write_text("1")
    (tmp_path / "broken.py").symlink_to(tmp_path / "nowhere")
    assert watch.changed() == []


def test_so_many_files_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr("airwave.cli.watch.FILES_MAX", 3)
    for number in range(5):
        (tmp_path / f"{number}.py").write_text("")
    assert len(Watch(tmp_path)._seen) == 3
