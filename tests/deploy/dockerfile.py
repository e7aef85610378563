"""A Dockerfile read as Docker reads it: as far as ours goes."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = {
    *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"),
    *("ENTRYPOINT", "CMD", "LABEL"),
}


@dataclass
class Stage:
    """What stands between one FROM and the next."""

    image: str
    name: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """The arguments of every instruction of a kind."""
        return [arguments for found, arguments in self.instructions if found == word]

    def one(self, word: str) -> str:
        """The arguments of the only one."""
        (arguments,) = self.all(word)
        return arguments

    def command(self, word: str) -> list[str]:
        """The words of an instruction in exec form."""
        words = json.loads(self.one(word).partition("CMD ")[2] if word == "HEALTHCHECK" else self.one(word))
        assert all(isinstance(each, str) for each in words)
        return list(words)


def read(path: Path) -> tuple[dict[str, str], list[Stage]]:
    """The arguments before the first FROM, and the stages."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    outside: dict[str, str] = {}
    stages: list[Stage] = []
    for line in lines:
        word, _, arguments = line.partition(" ")
        assert word in KNOWN, line
        if word == "FROM":
            image, *alias = shlex.split(arguments)
            assert not alias or alias[0] == "AS"
            stages.append(Stage(image, alias[1] if alias else ""))
        elif not stages:
            assert word == "ARG"
            name, _, value = arguments.partition("=")
            outside[name] = value
        else:
            stages[-1].instructions.append((word, arguments))
    return outside, stages
