"""Templates: from the arguments of a call to the key and the tags of its value."""

import inspect
import string
from collections.abc import Callable, Iterator
from typing import Any

Template = str | Callable[..., str]
"""`"product:{product_id}"`, or a function of the same arguments that returns the text."""

_PLAIN = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_formatter = string.Formatter()


class Arguments:
    """The parameters of a function; gives the arguments of a call by name, defaults applied."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        self.names = tuple(parameter.name for parameter in parameters)
        # `Signature.bind` takes longer than everything else in a hit: calls that are plainly right go without it.
        self._plain = all(parameter.kind in _PLAIN for parameter in parameters)
        self._positional = tuple(each.name for each in parameters if each.kind is _PLAIN[0])
        self._defaults = {each.name: each.default for each in parameters if each.default is not each.empty}

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name.

        Raises:
            TypeError: the function cannot be called like that.
        """
        if self._plain and len(args) <= len(self._positional):
            given = dict(zip(self._positional, args, strict=False))
            given.update(kwargs)
            if len(given) == len(args) + len(kwargs):  # otherwise one was given twice
                values = self._defaults | given
                if len(values) == len(self.names) and values.keys() == set(self.names):
                    return values
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments


class Text:
    """A template for one function.

    Args:
        template: see `Template`.
        arguments: of the function.
        where: the function's name, for errors.

    Raises:
        ValueError: the template does not parse, or names something that is no argument.
        TypeError: it is neither text nor a function.
    """

    def __init__(self, template: Template, arguments: Arguments, where: str) -> None:
        self._template, self._arguments, self._where = template, arguments, where
        if isinstance(template, str):
            self._check(template)
        elif not callable(template):
            raise TypeError(f"{where}: {template!r} is neither a template nor a function that returns a key")

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The text for a call.

        Raises:
            TypeError: the function cannot be called like that, or a function for the text returned something else.
        """
        if isinstance(self._template, str):
            return self._template.format_map(self._arguments.named(args, kwargs))
        text = self._template(*args, **kwargs)
        if not isinstance(text, str):
            raise TypeError(f"{self._where}: the function for its key or tag returned {text!r}, which is no str")
        return text

    def _check(self, template: str) -> None:
        known = ", ".join(self._arguments.names) or "there are none"
        for name in _fields(template):
            if name not in self._arguments.names:
                raise ValueError(f"{self._where}: {{{name}}} in {template!r} is no argument of it (these are: {known})")


def _fields(template: str) -> Iterator[str]:
    """The names in a template, without attributes and indices, also those within format specifications."""
    for _, field, specification, _ in _formatter.parse(template):
        if field is not None:
            yield field.partition(".")[0].partition("[")[0]
            yield from _fields(specification or "")
