"""The registry: a config names a component, the registry builds it.

``@register("network", "unet")`` makes a class or function available as ``network: unet``. A component in a config is
a mapping that names one kind: ``{network: unet, width: 32}``. :func:`build` looks it up, builds nested components by
the same rule and passes the rest as keyword arguments; the signature IS the schema, so a typo, a wrong type or an
unknown name ends in one line with the close matches. Nothing in a config is ever imported or called by its path: a
downloaded checkpoint's config can choose among registered names and nothing else.

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
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from beartype import BeartypeConf
from beartype.door import is_bearable

from colorbench.errors import UserError

PACKAGES = {
    "family": ("colorbench.families", "colorbench.evaluation.oracle"),
    "network": ("colorbench.networks",),
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


def build(kind: str, config: Mapping[str, Any], where: str = "") -> Any:
    """Build the component that ``config`` names under the key ``kind``, and its nested components."""
    where = where or kind
    if not isinstance(config.get(kind), str):
        raise UserError(f"{where}: names no {kind}; write {kind}: NAME, one of {', '.join(names(kind))}")
    component = lookup(kind, config[kind], where)
    arguments = {k: v for k, v in config.items() if k != kind}
    arguments = checked(component, f"{kind} {config[kind]!r}", where, arguments)
    return component(**arguments)


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


def checked(component: Callable[..., Any], what: str, where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` with nested components built, if it fits the signature of ``component``; else UserError."""
    parameters = inspect.signature(component).parameters
    hints = get_type_hints(component.__init__ if inspect.isclass(component) else component)
    for key in given:
        if key not in parameters:
            raise UserError(f"{where}.{key}: {what} has no such option{suggest(key, list(parameters))}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in given:
            raise UserError(f"{where}: {what} needs the option {key!r}")
    return {key: _value(value, hints.get(key, Any), f"{where}.{key}") for key, value in given.items()}


def _value(value: Any, hint: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        kinds = [k for k in value if k in PACKAGES and isinstance(value[k], str)]
        if kinds:
            return build(kinds[0], value, where)
        value = {k: _value(v, Any, f"{where}.{k}") for k, v in value.items()}
    elif isinstance(value, list):
        value = [_value(v, Any, f"{where}[{i}]") for i, v in enumerate(value)]
        value = tuple(value) if _wants_tuple(hint) else value
    if not is_bearable(value, hint, conf=_tower):
        raise UserError(f"{where}: expected {_words(hint)}, got {value!r} ({type(value).__name__})")
    return value


def _wants_tuple(hint: Any) -> bool:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any(get_origin(o) is tuple or o is tuple for o in options)


def _words(hint: Any) -> str:
    plain = inspect.isclass(hint) and not get_args(hint)
    return hint.__name__ if plain else str(hint).replace("typing.", "")


@cache
def _discover(*packages: str) -> None:
    for package in packages:
        module = importlib.import_module(package)
        for info in pkgutil.walk_packages(getattr(module, "__path__", ()), package + "."):
            if info.name not in sys.modules:
                importlib.import_module(info.name)
