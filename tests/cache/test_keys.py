from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from airwave.cache.keys import Arguments, Template, Text


def text(template: Template, function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    return Text(template, Arguments(function), "f")(args, kwargs)


def product(product_id: int, language: str = "en", *, draft: bool = False) -> None: ...


def greet(user: object, width: int) -> None: ...


def several(first: int, /, *rest: int, **named: int) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((42,), {}), ((42, "en"), {}), ((), {"product_id": 42}), ((42,), {"draft": False, "language": "en"})],
)
def test_calls_that_are_the_same_have_the_same_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert text("{product_id}:{language}:{draft}", product, *args, **kwargs) == "42:en:False"


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((), {}, "missing a required argument: 'product_id'"),
        ((1, "en", True), {}, "too many positional"),
        ((1,), {"product_id": 1}, "multiple values"),
        ((1,), {"price": 1}, "unexpected keyword argument 'price'"),
        ((1, "en"), {"language": "de", "price": 1}, "multiple values"),
    ],
)
def test_calls_that_are_wrong_are_refused(args: tuple[Any, ...], kwargs: dict[str, Any], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        text("{product_id}", product, *args, **kwargs)


def test_templates_are_those_of_str_format() -> None:
    user = SimpleNamespace(id=7, roles=["admin"])
    assert text("{user.id}:{user.roles[0]!r:>{width}}{{}}", greet, user, 8) == "7: 'admin'{}"
    assert text("all", product, 1) == "all"
    assert text("{first}:{rest}:{named}", several, 1, 2, 3, a=4) == "1:(2, 3):{'a': 4}"


def test_a_function_may_make_the_key() -> None:
    assert text(lambda product_id, **_: f"p{product_id}", product, 42, draft=True) == "p42"
    with pytest.raises(TypeError, match="f: the function for its key or tag returned 42, which is no str"):
        text(lambda product_id: product_id, product, 42)


@pytest.mark.parametrize("template", ["{id}", "{}", "{0}", "{product}", "{product_id:{width}}", "{id.x}", "{id[0]}"])
def test_names_that_are_no_arguments_are_refused_at_once(template: str) -> None:
    with pytest.raises(ValueError, match=r"is no argument of it \(these are: product_id, language, draft\)"):
        Text(template, Arguments(product), "f")


def test_what_is_no_template_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected '}'"):
        Text("{product_id", Arguments(product), "f")
    with pytest.raises(TypeError, match="f: 42 is neither a template nor a function"):
        Text(42, Arguments(product), "f")  # type: ignore[arg-type]
