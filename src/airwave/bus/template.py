"""Channel templates: `notifications:user:{user_id}` is the pattern `notifications:user:*`, and tells the user ID.

    {name}      one piece of the channel: not empty, without `:`, and without the character that follows the field in
                the template, so that `{day}.{hour}` has one reading only
    {name...}   the rest of the channel, not empty, whatever is in it; only at the end
    {{ and }}   a brace

All other text stands for itself. A pattern's `*` also matches what a field does not: such channels are told from the
others by `Template.match`. It takes linear time, as no field can end in more than one place.
"""

import keyword
import re

SEPARATOR = ":"

_TOKEN = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]*?)(?P<rest>\.\.\.)?\}|(?P<stray>[{}])|(?P<text>[^{}]+)")
_GLOB_SPECIAL = re.compile(rb"[*?\[\]\\^]")


class Template:
    """A channel, or the channels of a pattern.

    Args:
        text: what stands in the decorator.

    Attributes:
        fields: names, in their order.
        pattern: the glob to subscribe to; None: there are no fields.
        channel: the channel to subscribe to where there are no fields; else None.

    Raises:
        ValueError: not a template. The text says what is wrong.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[str, str]] = []  # kind and text
        for token in _TOKEN.finditer(text):
            self._add(token)
        self._check()
        self.fields = tuple(part for kind, part in self._parts if kind != "text")
        literal = "".join(part for _, part in self._parts).encode()
        self.channel = None if self.fields else literal
        self.pattern = self._glob() if self.fields else None
        self._regex = re.compile(self._expression(), re.DOTALL)

    def match(self, channel: bytes) -> dict[str, str] | None:
        """The values of the fields, or None: the channel is none of the template's."""
        try:
            match = self._regex.fullmatch(channel.decode())
        except UnicodeDecodeError:
            return None
        return match.groupdict() if match else None

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    # --- how it is read -----------------------------------------------------------------------------------------------

    def _add(self, token: re.Match[str]) -> None:
        if token["stray"]:
            raise ValueError(f"{self.text!r}: a brace that is no field; write {{{{ or }}}} for a brace itself")
        if token["name"] is not None:
            self._parts.append(("rest" if token["rest"] else "field", token["name"]))
            return
        if token["text"] and "*" in token["text"]:
            raise ValueError(f"{self.text!r}: * is no wildcard here; write {{name}} or, for all the rest, {{name...}}")
        text = token["text"] or token["brace"][0]
        if self._parts and self._parts[-1][0] == "text":
            text = self._parts.pop()[1] + text
        self._parts.append(("text", text))

    def _check(self) -> None:
        if not self.text:
            raise ValueError("a channel must not be empty")
        names = [part for kind, part in self._parts if kind != "text"]
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"{self.text!r}: {name!r} is not a name that a parameter can have")
            if names.count(name) > 1:
                raise ValueError(f"{self.text!r}: the field {name!r} is there twice")
        for (kind, name), (following, _) in zip(self._parts, self._parts[1:], strict=False):
            if kind == "rest":
                raise ValueError(f"{self.text!r}: {{{name}...}} takes all the rest and must be the end")
            if kind == "field" and following != "text":
                raise ValueError(f"{self.text!r}: there must be text behind {{{name}}}, or nothing tells where it ends")

    def _glob(self) -> bytes:
        """Two fields never touch, so neither do two stars."""
        return b"".join(
            _GLOB_SPECIAL.sub(rb"\\\g<0>", part.encode()) if kind == "text" else b"*" for kind, part in self._parts
        )

    def _expression(self) -> str:
        pieces = []
        for (kind, part), (_, following) in zip(self._parts, [*self._parts[1:], ("", "")], strict=True):
            if kind == "text":
                pieces.append(re.escape(part))
            elif kind == "rest":
                pieces.append(f"(?P<{part}>.+)")
            else:
                pieces.append(f"(?P<{part}>[^{re.escape(SEPARATOR + following[:1])}]+)")
        return "".join(pieces)
