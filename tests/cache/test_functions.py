import asyncio
import inspect
import pickle
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mypy import api as mypy

from airwave.cache import Cache, CachedCoroutine, CachedFunction

from .conftest import Clock, MakeCache

loaded: list[tuple[Any, ...]] = []
module_cache = Cache("memory://nobody")


@module_cache.cached("module:{number}")
def at_module_level(number: int) -> int:
    return number


@pytest.fixture
def cache(alone: MakeCache) -> Cache:
    loaded.clear()
    return alone(ttl=10.0)


def product(product_id: int, *, language: str = "en") -> str:
    """Look a product up."""
    loaded.append((product_id, language))
    return f"{product_id}/{language}/{len(loaded)}"


def test_it_looks_like_the_function(cache: Cache) -> None:
    cached = cache.cached("{product_id}")(product)
    assert (cached.__name__, cached.__doc__, cached.__module__) == ("product", "Look a product up.", __name__)
    assert inspect.signature(cached) == inspect.signature(product)
    assert "product" in repr(cached)
    assert not asyncio.iscoroutinefunction(cached)
    assert pickle.loads(pickle.dumps(at_module_level)) is at_module_level


def test_an_async_one_is_recognised(cache: Cache) -> None:
    @cache.cached("key")
    async def get() -> None: ...

    assert isinstance(get, CachedCoroutine)
    assert asyncio.iscoroutinefunction(get)
    assert inspect.iscoroutinefunction(get.__call__)
    assert isinstance(cache.cached("key")(partial(get.__wrapped__)), CachedCoroutine)
    assert isinstance(cache.cached("key")(lambda: 1), CachedFunction)


def test_key_refresh_and_invalidate_take_the_arguments_of_the_function(cache: Cache) -> None:
    cached = cache.cached("product:{product_id}:{language}")(product)
    assert cached.key(42) == "product:42:en"
    assert [cached(42), cached(42, language="en"), cached(42, language="de")] == ["42/en/1", "42/en/1", "42/de/2"]
    assert cached.refresh(42) == "42/en/3"
    assert cached(42) == "42/en/3"
    cached.invalidate(42)
    assert [cached(42), cached(42, language="de")] == ["42/en/4", "42/de/2"]


def test_the_same_for_async(cache: Cache) -> None:
    @cache.cached("product:{product_id}:{language}")
    async def cached(product_id: int, *, language: str = "en") -> str:
        return product(product_id, language=language)

    async def main() -> None:
        assert cached.key(42) == "product:42:en"
        assert [await cached(42), await cached(42, language="en")] == ["42/en/1", "42/en/1"]
        assert await cached.refresh(42) == "42/en/2"
        assert await cached(42) == "42/en/2"
        await cached.invalidate(42)
        assert await cached(42) == "42/en/3"

    asyncio.run(main())


def test_functions_with_the_same_key_share_a_value(cache: Cache) -> None:
    async def twin(product_id: int) -> str:
        raise AssertionError(product_id)

    assert cache.cached("{product_id}")(product)(42) == "42/en/1"
    assert asyncio.run(cache.cached("{product_id}")(twin)(42)) == "42/en/1"  # type: ignore[arg-type]


def test_tags_come_from_the_arguments_too(cache: Cache) -> None:
    tags = ("catalog", "language:{language}", lambda product_id, language="en": f"odd:{product_id % 2}{language[:0]}")
    cached = cache.cached("{product_id}:{language}", tags=(*tags, "catalog"))(product)
    assert [cached(1), cached(2, language="de"), cached(3)] == ["1/en/1", "2/de/2", "3/en/3"]
    cache.invalidate_tag("odd:0")
    assert [cached(1), cached(2, language="de"), cached(3)] == ["1/en/1", "2/de/4", "3/en/3"]
    cache.invalidate_tag("language:en")
    assert [cached(1), cached(2, language="de"), cached(3)] == ["1/en/5", "2/de/4", "3/en/6"]
    cache.invalidate_tag("catalog")
    assert len(loaded) == 6
    assert cache.stats.size == 0


def test_time_to_live_of_a_function(cache: Cache, clock: Clock) -> None:
    of_cache, short, long = (
        cache.cached(f"{ttl}:{{product_id}}", ttl=ttl)(product)  # type: ignore[arg-type]
        for ttl in ("cache", 1.0, None)
    )

    def loads() -> int:
        before = len(loaded)
        for get in of_cache, short, long:
            get(42)
        return len(loaded) - before

    assert (loads(), loads()) == (3, 0)
    clock.advance(1)
    cache._store.verified(clock())
    assert (loads(), loads()) == (1, 0)
    clock.advance(9)
    cache._store.verified(clock())
    assert loads() == 2
    clock.advance(1e9)
    cache._store.verified(clock())
    assert loads() == 2


def test_none_is_kept_unless_it_is_not_to_be(cache: Cache) -> None:
    def nothing(key: str) -> None:
        loaded.append((key,))

    kept, not_kept = cache.cached("kept:{key}")(nothing), cache.cached("not:{key}", none=False)(nothing)
    for get in kept, kept, not_kept, not_kept:
        assert get("key") is None  # type: ignore[func-returns-value]
    assert len(loaded) == 3


def test_values_are_shared_not_copied(cache: Cache) -> None:
    @cache.cached("key")
    def get() -> list[int]:
        return []

    assert get() is get()


def test_methods(cache: Cache) -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @cache.cached("{self.name}:{product_id}")
        def price(self, product_id: int) -> str:
            loaded.append((product_id,))
            return f"{self.name}{len(loaded)}"

        @cache.cached("async:{self.name}:{product_id}")
        async def async_price(self, product_id: int) -> str:
            return self.price(product_id)

        @staticmethod
        @cache.cached("static:{product_id}")
        def static(product_id: int) -> int:
            return product_id

        @classmethod
        @cache.cached("{cls.__name__}:{product_id}")
        def of_class(cls, product_id: int) -> str:
            return f"{cls.__name__}{product_id}"

    a, b = Shop("a"), Shop("b")
    assert [a.price(1), b.price(1), a.price(1), a.price(product_id=1)] == ["a1", "b2", "a1", "a1"]
    assert (a.price.key(1), Shop.price.key(b, 1)) == ("a:1", "b:1")
    assert str(inspect.signature(a.price)) == "(product_id: int) -> str"
    a.price.invalidate(1)
    assert [a.price(1), b.price(1), Shop.price(a, 1)] == ["a3", "b2", "a3"]
    assert a.price.refresh(1) == "a4"
    assert asyncio.run(a.async_price(1)) == "a4"  # type: ignore[arg-type]
    assert asyncio.iscoroutinefunction(a.async_price)
    assert (Shop.static(1), a.static(1), Shop.of_class(1)) == (1, 1, "Shop1")


def test_what_cannot_be_cached_is_refused_at_once(cache: Cache) -> None:
    def items() -> Iterator[int]:
        yield 1

    async def async_items() -> AsyncIterator[int]:
        yield 1

    for generator in items, async_items:
        with pytest.raises(TypeError, match="items is a generator, which can be used up only once: return a list"):
            cache.cached("key")(generator)
    with pytest.raises(ValueError, match=r"product: \{id\} in 'product:\{id\}' is no argument of it"):
        cache.cached("product:{id}")(product)
    with pytest.raises(ValueError, match=r"\{shop\}"):
        cache.cached("product:{product_id}", tags=["shop:{shop}"])(product)
    with pytest.raises(TypeError, match="tags='catalog': a tuple of tags"):
        cache.cached("product:{product_id}", tags="catalog")
    for ttl in 0, -1.0, float("nan"):
        with pytest.raises(ValueError, match="more than 0 seconds, or None"):
            cache.cached("product:{product_id}", ttl=ttl)


def test_wrong_calls_are_those_of_the_function(cache: Cache) -> None:
    cached = cache.cached("{product_id}")(product)
    with pytest.raises(TypeError, match="missing a required argument: 'product_id'"):
        cached()  # type: ignore[call-arg]


USER_CODE = """
import airwave

cache = airwave.Cache("memory://", maxsize=100, ttl=None)


@cache.cached("product:{product_id}", tags=("catalog",))
def product(product_id: int, *, language: str = "en") -> str:
    return f"{product_id}{language}"


@cache.cached(lambda product_id: f"price:{product_id}", none=False)
async def price(product_id: int) -> float | None:
    return float(product_id)


class Shop:
    @cache.cached("{self}:{product_id}")
    def has(self, product_id: int) -> bool:
        return bool(product_id)

    @cache.cached("{self}:{product_id}")
    async def stock(self, product_id: int) -> int:
        return product_id


async def main() -> None:
    reveal_type(product(1, language="de"))
    reveal_type(product.refresh(1))
    reveal_type(product.key(1))
    reveal_type(await price(1))
    reveal_type(await price.refresh(1))
    reveal_type(Shop().has(1))
    reveal_type(await Shop().stock(1))
    reveal_type(await Shop().stock.refresh(1))
    reveal_type(cache.stats.hits)
    product("1")
    product.invalidate(1, color="red")
    Shop().has("1")
    await price.invalidate("1")
"""


@pytest.mark.slow
def test_types_of_the_users_code(tmp_path: Path) -> None:
    path = tmp_path / "user.py"
    path.write_text(USER_CODE)
    out, problems, _ = mypy.run(["--strict", "--no-error-summary", f"--cache-dir={tmp_path}", str(path)])
    revealed = [line.split('"')[1] for line in out.splitlines() if "note: Revealed" in line]
    assert [name.replace("builtins.", "") for name in revealed] == [
        *("str", "str", "str"),
        *("float | None", "float | None"),
        *("bool", "int", "int", "int"),
    ]
    errors = [line.partition(": error: ")[2] for line in out.splitlines() if ": error: " in line]
    assert len(errors) == 4, out
    assert [error.rpartition("[")[2] for error in errors] == ["arg-type]", "call-arg]", "arg-type]", "arg-type]"]
    assert not problems
