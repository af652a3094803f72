"""The registry: a config names a component, the registry builds it.

``@register("network", "unet")`` makes a class or function available as ``network: unet``. A component in a config is
a mapping that names one kind: ``{network: unet, width: 32}``. :func:`build` looks it up, builds nested components by
the same rule and passes the rest as keyword arguments; the signature IS the schema, so a typo, a wrong type or an
unknown name ends in one line with the close matches, and so does a number out of range (ranges.py). Nothing in a
config is ever imported or called by its path: a downloaded checkpoint's config can choose among registered names and
nothing else.

Files are found, not listed: everything in a kind's package is imported the first time that kind is asked for, so a new
family is one Python file and one yaml. People's own modules register the same way when the
user names them, by ``plugins=[...]`` in training and ``--plugins`` elsewhere.
"""

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from beartype import BeartypeConf
from beartype.door import is_bearable

from colorbench.errors import UserError
from colorbench.ranges import words

PACKAGES = {
    "family": ("colorbench.families", "colorbench.evaluation.oracle"),
    "network": ("colorbench.networks",),
    "trunk": ("colorbench.trunks",),
    "distance": ("colorbench.losses",),
    "adversary": ("colorbench.losses",),
    "schedule": ("colorbench.sampling",),
    "parameterization": ("colorbench.sampling",),
    "sampler": ("colorbench.sampling",),
    "index": ("colorbench.retrieval",),
    "source": ("colorbench.data",),
    "augmentation": ("colorbench.data",),
    "logger": ("colorbench.runs.loggers",),
    "optimizer": ("colorbench.engine",),
    "decay": ("colorbench.engine",),
    "metric": ("colorbench.metrics",),
    "set_metric": ("colorbench.metrics",),
}
"""Where each kind of component lives: packages, or single modules. The oracle reads scenes, which families may not."""

T = TypeVar("T", bound=Callable[..., Any])
_components: dict[tuple[str, str], Callable[..., Any]] = {}
_plugins: set[str] = set()
_tower = BeartypeConf(is_pep484_tower=True)  # an int is a fine float


def register(kind: str, name: str) -> Callable[[T], T]:
    """Class or function decorator; the name must be free and its parameters keyword-only."""
    if kind not in PACKAGES:
        raise ValueError(f"no such kind of component: {kind!r}; kinds are {sorted(PACKAGES)}")

    def add(component: T) -> T:
        known = _components.get((kind, name))
        if known is not None and (known.__module__, known.__qualname__) != (
            component.__module__,
            component.__qualname__,
        ):
            raise ValueError(f"{kind} {name!r} is registered twice: {known.__module__} and {component.__module__}")
        _components[kind, name] = component
        return component

    return add


def names(kind: str) -> list[str]:
    """All registered names of a kind, sorted."""
    _discover(*PACKAGES[kind])
    return sorted(name for k, name in _components if k == kind)


def lookup(kind: str, name: str, where: str = "") -> Callable[..., Any]:
    """The component; an unknown name is a :class:`UserError` with the close matches."""
    _discover(*PACKAGES[kind])
    if (kind, name) not in _components:
        raise UserError(f"unknown {kind} {name!r}{f' (in {where})' if where else ''}{suggest(name, names(kind))}")
    return _components[kind, name]


def build(kind: str, config: Any, where: str = "") -> Any:
    """Build the component that ``config`` names under the key ``kind``, and its nested components."""
    where = where or kind
    component, given = _named(kind, config, where)
    return component(**checked(component, f"{kind} {config[kind]!r}", where, given))


def load_plugins(modules: Sequence[str]) -> None:
    """Import people's own modules, which register their components. Only ever with names that the user typed."""
    for module in modules:
        try:
            importlib.import_module(module)
            _plugins.add(module)
        except ImportError as error:
            raise UserError(
                f"plugins: cannot import {module!r} ({error}); is it installed or on PYTHONPATH?"
            ) from error


def demand_plugins(modules: Sequence[str], where: str) -> None:
    """UserError unless all of ``modules``, which a file asks for, were named by the user: a file imports nothing."""
    strangers = [str(module) for module in modules if module not in _plugins]
    if strangers:
        raise UserError(
            f"{where}: was made with the plugins {', '.join(map(ascii, strangers))[:200]}. They are code, and a folder "
            "may not choose what is imported: where you know them, add --plugins MODULE for each"
        )


def suggest(word: str, known: list[str]) -> str:
    """'; did you mean ...?' and, when the list is short enough to read, everything there is."""
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
    return f"{hint} (known: {', '.join(known)})" if known and len(known) <= 40 else hint


def checked(component: Callable[..., Any], what: str, where: str, given: Any) -> dict[str, Any]:
    """``given`` with nested components built, if it fits the signature of ``component``; else UserError."""
    return _fitted(component, what, where, given, build)


def check(kind: str, config: Any, where: str = "") -> None:
    """Raise what :func:`build` would raise of names, keys, types and ranges; nothing is built."""
    _declare(kind, config, where or kind)


def check_options(component: Callable[..., Any], what: str, where: str, given: Any) -> None:
    """Raise what :func:`checked` would raise of names, keys, types and ranges; nothing is built."""
    _fitted(component, what, where, given, _declare)


def fits(value: Any, hint: Any, where: str) -> Any:
    """``value`` (lists as tuples where ``hint`` says so), if it is what ``hint`` says; else UserError."""
    return _value(value, hint, where, build)


_Make = Callable[[str, Any, str], Any]
"""(kind, config, where) -> a component, or what stands for one while a config is only looked at."""


class _Declared:
    """A component that a config names and that is not built: what calling it promises to give."""

    def __init__(self, component: Callable[..., Any]) -> None:
        self.gives = component if inspect.isclass(component) else get_type_hints(component).get("return", Any)

    def fits(self, hint: Any) -> bool:
        """Could it be passed where ``hint`` stands?"""
        return any(o is Any or self.gives in (Any, o) or _is_kind_of(self.gives, o) for o in _options(hint))


def _declare(kind: str, config: Any, where: str) -> _Declared:
    component, given = _named(kind, config, where)
    _fitted(component, f"{kind} {config[kind]!r}", where, given, _declare)
    return _Declared(component)


def _named(kind: str, config: Any, where: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The component that ``config`` names, and the options it gives."""
    if not isinstance(config, Mapping) or not isinstance(config.get(kind), str):
        raise UserError(f"{where}: names no {kind}; write {kind}: NAME, one of {', '.join(names(kind))}")
    return lookup(kind, config[kind], where), {k: v for k, v in config.items() if k != kind}


def _fitted(component: Callable[..., Any], what: str, where: str, given: Any, make: _Make) -> dict[str, Any]:
    parameters = inspect.signature(component).parameters
    hints = get_type_hints(component.__init__ if inspect.isclass(component) else component, include_extras=True)
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: expected options {{name: value}}, got {given!r}")
    for key in given:
        if key not in parameters:
            raise UserError(f"{_below(where, key)}: {what} has no such option{suggest(str(key), list(parameters))}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in given:
            raise UserError(f"{where + ': ' if where else ''}{what} needs the option {key!r}")
    return {key: _value(value, hints.get(key, Any), _below(where, key), make) for key, value in given.items()}


def _value(value: Any, hint: Any, where: str, make: _Make) -> Any:
    """``value`` with nested components made, item by item (beartype itself looks at one item of a container)."""
    if isinstance(value, Mapping):
        kinds = [k for k in value if k in PACKAGES and isinstance(value[k], str)]
        if kinds:
            made = make(kinds[0], value, where)
            if not (made.fits(hint) if isinstance(made, _Declared) else is_bearable(made, hint, conf=_tower)):
                raise UserError(f"{where}: expected {in_words(hint)}, got the {kinds[0]} {value[kinds[0]]!r}")
            return made
        keys, items = _item_hints(hint, Mapping, (Any, Any))
        for k in value:
            if not is_bearable(k, keys, conf=_tower):
                raise UserError(f"{where}: expected the names {in_words(keys)}, got {k!r}")
        value = {k: _value(v, items, _below(where, k), make) for k, v in value.items()}
    elif isinstance(value, list):
        hints = _item_hints(hint, tuple, None) or _item_hints(hint, Sequence, (Any, ...))
        if len(hints) == 1 or hints[-1] is ...:
            hints = (hints[0],) * len(value)
        value = [_value(v, h, f"{where}[{i}]", make) for i, (v, h) in enumerate(zip(value, hints, strict=False))] + [
            *value[len(hints) :]
        ]
        value = tuple(value) if _wants_tuple(hint) else value
    if not is_bearable(value, hint, conf=_tower) or (isinstance(value, bool) and not _takes_bool(hint)):
        raise UserError(f"{where}: expected {in_words(hint)}, got {value!r}{_meant(value, hint)}")
    return value


def _meant(value: Any, hint: Any) -> str:
    """What could have been meant: a word that nearly stands there, or the options of a component in a word's place."""
    for kind in (o.__name__.lower() for o in _options(hint) if inspect.isclass(o)):
        if kind in PACKAGES and isinstance(value, str):
            return f"; give its options, {{{kind}: {' or '.join(names(kind))}, ...}}"
    known = [w for option in _options(hint) if get_origin(option) is Literal for w in get_args(option)]
    close = difflib.get_close_matches(value, [w for w in known if isinstance(w, str)]) if isinstance(value, str) else []
    return f"; did you mean {' or '.join(repr(word) for word in close)}?" if close else ""


def _below(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


def _options(hint: Any) -> tuple[Any, ...]:
    """The members of a union; a type alone is one."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _item_hints(hint: Any, container: type, otherwise: Any) -> Any:
    """The arguments of the first option that is such a container."""
    for option in _options(hint):
        origin = get_origin(option)
        if inspect.isclass(origin) and issubclass(origin, container) and get_args(option):
            return get_args(option)
    return otherwise


def _wants_tuple(hint: Any) -> bool:
    return any(get_origin(o) is tuple or o is tuple for o in _options(hint))


def _takes_bool(hint: Any) -> bool:
    """Python's true is a number; a config's is not."""
    return any(o in (Any, object, bool) or (get_origin(o) is Literal and True in get_args(o)) for o in _options(hint))


def _is_kind_of(gives: Any, hint: Any) -> bool:
    return inspect.isclass(gives) and inspect.isclass(hint) and issubclass(gives, hint)


_PLAIN = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
    Any: "anything",
}


def in_words(hint: Any) -> str:
    """A type, as a person says it: "a whole number from 1 to 4096 or null"."""
    said = words(hint)
    if said is not None:
        return said
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(in_words(option) for option in arguments)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"names, each with {in_words(arguments[1])}"
    if origin is tuple and arguments[-1] is not ...:
        return f"a list [{', '.join(in_words(a) for a in arguments)}]"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list of {in_words(arguments[0])}"
    return hint.__name__ if inspect.isclass(hint) else str(hint).replace("typing.", "")


@cache
def _discover(*packages: str) -> None:
    for package in packages:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(getattr(module, "__path__", ()), package + "."):
            if info.name not in sys.modules:
                importlib.import_module(info.name)
