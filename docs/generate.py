"""Write the reference pages that come from the program's own tables.

    python docs/generate.py            writes them
    python docs/generate.py --check    writes nothing; exits 1 and names the pages that are not current

One function per page; `PAGES` names the file of each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from airwave.settings import Setting, Settings

FOLDER = Path(__file__).parent

_SETTINGS_INTRODUCTION = """\
# Settings

<!-- Written by docs/generate.py from src/airwave/settings/table.py: edit that, then run it. -->

Names, units and meaning are those of [redis.conf](https://redis.io/docs/latest/operate/oss_and_stack/management/config/)
where Redis has the directive. A setting can be given

- as an option: `airwave serve --port 6380 --bind 127.0.0.1 -::1`;
- in a config file in the syntax of redis.conf, `airwave serve airwave.conf`, or on standard input with `-`; options
  win over it;
- while the server runs, with `CONFIG SET name value` where the tables say so. `CONFIG GET` shows every setting,
  `CONFIG REWRITE` writes what was changed into the config file and keeps its comments.

Sizes may have a unit: `1k` is 1000 bytes, `1kb` is 1024; likewise `m`, `mb`, `g`, `gb`. A directive that Redis has and
Airwave does not is named in one warning at start and ignored; an unknown word is an error.
"""


def settings_page() -> str:
    """docs/settings.md: every setting, by section, in the order of the table."""
    parts = [_SETTINGS_INTRODUCTION]
    for section, rows in groupby(Settings.describe(), key=lambda row: row.section):
        parts.append(f"## {section}\n\n| setting | default | may be | CONFIG SET | meaning |\n|---|---|---|---|---|\n")
        parts[-1] += "".join(map(_settings_row, rows))
    return "\n".join(parts)


def _settings_row(row: Setting) -> str:
    unit = f" ({row.kind.unit})" if row.kind.unit else ""
    default = row.kind.written(row.default) or '""'
    cells = [f"`{row.name}`", f"`{default}`", row.kind.values() + unit, "yes" if row.mutable else "no", row.doc]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page}


def main(args: Sequence[str], folder: Path = FOLDER) -> int:
    """Write or check the pages in `folder`; returns the exit code."""
    if args not in ([], ["--check"]):
        print("usage: python docs/generate.py [--check]", file=sys.stderr)
        return 2
    stale = 0
    for name, page in PAGES.items():
        path, text = folder / name, page()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if args:
            stale = 1
            print(f"{path} is not current: run python docs/generate.py", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
