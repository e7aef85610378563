"""Documents as tests: their examples are run as a reader would run them.

What a fenced block is follows from the first line of the fence:

    ```console                  lines with `$ ` are commands, run in one folder per page; each must end, and print what
                                is shown below it
    ```console terminal=NAME    a terminal of its own, where the last command may go on running (a server, a
                                subscriber): what is shown must come; a further `$ ` there means Ctrl-C first; a block
                                that does not begin with `$ ` shows what the running command has printed meanwhile
    ```console checkout         as the first, in a copy of the repository
    ```python                   a program; a ```text block right behind it is what it prints
    ```conf file=NAME           a file in the folder of the page

In shown output `...` stands for any text within a line, and alone on a line for any lines. `make` commands are not run:
`make_targets` finds them.

Commands see a terminal. The ports 6370 to 6389 and 8370 to 8389 stand for free ones, in all blocks, and what would go
to the default port goes to the free one as well.
"""

import os
import re
import signal
import subprocess
import sys
import termios
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ports import free_port

DEADLINE_S = 60.0
STOP_S = 20.0

_FENCE = re.compile(r"^```(\w*)(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
# With LINES rich takes COLUMNS seriously on a dumb terminal.
_NOT_PASSED_ON = ("AIRWAVE", "REDISCLI", "LINES")
_PORT = re.compile(r"\b[68]3[78]\d\b")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        about: the words behind the language: `terminal=server` as a pair, `checkout` with an empty value.
        line: where it begins in the page.
        adjacent: nothing but empty lines stands between it and the block before.
    """

    language: str
    about: dict[str, str]
    text: str
    line: int
    adjacent: bool


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page."""
    found, end = [], 0
    for match in _FENCE.finditer(page):
        about = dict(word.partition("=")[::2] for word in match[2].split())
        between = page[end : match.start()]
        line = page.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], about, match[3], line, bool(found) and not between.strip()))
        end = match.end()
    return found


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines shown below it; the first is empty for lines before any."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            if not found:
                found.append(("", []))
            found[-1][1].append(line)
    return found


def make_targets(page: str) -> set[str]:
    """The targets that a page tells the reader to make."""
    shown = [command for block in blocks(page) if block.language == "console" for command, _ in commands(block.text)]
    inline = re.findall(r"`(make [a-z]+)[^`\n]*`", page)
    return {match[1] for line in [*shown, *inline] if (match := re.match(r"make (?:\w+=\S+ )*([a-z]+)", line))}


def shown(lines: list[str]) -> re.Pattern[str]:
    """What matches the output that a document shows."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append("[^\\n]*".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n")
    return re.compile("".join(parts))


class Terminal:
    """Commands that see a terminal, one after the other."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._output = ""
        self._seen = 0

    def start(self, command: str) -> None:
        """Run a command; one that still runs is ended first."""
        self.stop()
        master, slave = os.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.ONLCR
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        self._output, self._seen, self._ended = "", 0, False
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, args=(master,), daemon=True)
        self._reader.start()

    def _read(self, master: int) -> None:
        with suppress(OSError):  # EIO: nobody has the terminal open any more
            while data := os.read(master, 65536):
                with self._changed:
                    self._output += data.decode("utf-8", "replace").replace("\r", "")
                    self._changed.notify_all()
        os.close(master)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def expect(self, lines: list[str], *, all_of_it: bool) -> None:
        """Wait for what is shown; with `all_of_it` the command must end, and nothing else may come."""
        pattern = shown(lines)

        def arrived() -> re.Match[str] | None:
            output = self._output[self._seen :]
            if not all_of_it:
                return pattern.match(output)
            return pattern.fullmatch(output) if self._ended else None

        with self._changed:
            self._changed.wait_for(lambda: arrived() or self._ended, DEADLINE_S)
            match = arrived()
            rest = self._output[self._seen :]
            assert match, f"expected {'only ' if all_of_it else ''}\n" + "\n".join(lines) + f"\nbut got\n{rest}"
            self._seen += match.end()

    def stop(self) -> None:
        """Ctrl-C, and wait for the end."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        self._reader.join(STOP_S)


@dataclass
class Reader:
    """Somebody who tries out a page. A context manager: at the end, all that still runs is stopped.

    Args:
        folder: an empty folder to work in.
        checkout: where blocks marked `checkout` are run.
    """

    folder: Path
    checkout: Path | None = None
    _ports: dict[str, str] = field(default_factory=lambda: defaultdict(_free_port))
    _terminals: dict[tuple[str, Path], Terminal] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._tools = self.folder.parent / f"{self.folder.name}-tools"
        self._tools.mkdir()
        port = self._ports["6379"]
        venv = Path(sys.executable).parent
        self._tool("airwave", f'case "$*" in serve*--port*|[!s]*) ;; serve*) set -- "$@" --port {port};; esac\n'
                              f'exec {venv}/airwave "$@"')  # fmt: skip
        self._tool("redis-cli", f'exec env PATH="$REAL_PATH" redis-cli -p {port} "$@"')
        return self

    def __exit__(self, *_: object) -> None:
        for terminal in reversed(self._terminals.values()):
            terminal.stop()

    def _tool(self, name: str, script: str) -> None:
        path = self._tools / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """What programs find in their environment."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)},
            "AIRWAVE_URL": f"redis://127.0.0.1:{self._ports['6379']}",
            "PATH": os.pathsep.join([str(self._tools), path]),
            "REAL_PATH": os.environ["PATH"],
            "TERM": "dumb",
            "COLUMNS": "160",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "REDISCLI_HISTFILE": "/dev/null",
        }

    def read(self, page: str, *, only: str = "", leave_out: str = "") -> None:
        """Run the examples of a page, in order.

        Args:
            only, leave_out: a word behind the language; empty: all blocks.
        """
        all_blocks = [
            block
            for block in blocks(page)
            if (not only or only in block.about) and not (leave_out and leave_out in block.about)
        ]
        for number, block in enumerate(all_blocks):
            text = _PORT.sub(lambda match: self._ports[match[0]], block.text)
            following = all_blocks[number + 1] if number + 1 < len(all_blocks) else None
            try:
                if block.language == "console":
                    self._console(block, text)
                elif block.language == "python":
                    prints = following.text if following and following.language == "text" and following.adjacent else ""
                    self._python(text, _PORT.sub(lambda match: self._ports[match[0]], prints))
                elif "file" in block.about:
                    (self.folder / block.about["file"]).write_text(text)
            except AssertionError as error:
                raise AssertionError(f"in the block at line {block.line}: {error}") from None

    def _console(self, block: Block, text: str) -> None:
        lasting = block.about.get("terminal", "")
        folder = self.checkout if "checkout" in block.about else self.folder
        assert folder is not None
        if (lasting, folder) not in self._terminals:
            self._terminals[lasting, folder] = Terminal(folder, self.environment)
        terminal = self._terminals[lasting, folder]
        wanted = commands(text)
        for number, (command, lines) in enumerate(wanted):
            if command.startswith("make "):
                continue
            if command:
                terminal.start(command)
            last = number == len(wanted) - 1
            terminal.expect(lines, all_of_it=not lasting or not last)

    def _python(self, program: str, prints: str) -> None:
        terminal = Terminal(self.folder, self.environment)
        path = self.folder / "example.py"
        path.write_text(program)
        try:
            terminal.start(f"{sys.executable} -W error example.py")
            terminal.expect(prints.splitlines(), all_of_it=True)
        finally:
            terminal.stop()


def _free_port() -> str:
    return str(free_port())


def headings(page: str) -> Iterator[str]:
    """The anchors of a page, as GitHub makes them."""
    seen: dict[str, int] = {}
    for title in re.findall(r"^#+ +(.*?)\s*$", _FENCE.sub("", page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = seen[anchor] = seen.get(anchor, -1) + 1
        yield f"{anchor}-{count}" if count else anchor


def links(page: str) -> list[str]:
    """Where the links of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", page))
