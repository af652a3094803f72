"""A config's node beside the signatures that it is checked against: one row for each key."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from omegaconf import DictConfig

from colorbench.registry import PACKAGES, in_words, lookup


@dataclass(frozen=True)
class Key:
    """One key: its dotted name, its default, what it may be, and the comment behind it."""

    name: str
    default: Any
    may_be: str


def kind_of(node: Any) -> str | None:
    """The kind of component that a node names; None where it names none."""
    if not isinstance(node, DictConfig | Mapping):
        return None
    return next((str(key) for key in node if key in PACKAGES and isinstance(_raw(node, key), str)), None)


def component(node: Any) -> Callable[..., Any]:
    """What a node names."""
    kind = kind_of(node)
    assert kind
    return lookup(kind, _raw(node, kind))


def of_node(node: Any, where: str) -> Iterator[Key]:
    """The keys of a node that names a component, itself first, with those of its parts."""
    kind = kind_of(node)
    assert kind
    yield Key(f"{where}.{kind}", _raw(node, kind), f"{'an' if kind[0] in 'aeio' else 'a'} {kind.replace('_', ' ')}")
    yield from of_signature(component(node), node, where)


def of_signature(signature: Callable[..., Any], node: Any, where: str) -> Iterator[Key]:
    """The keys that a signature has, with the values of ``node``."""
    hints = get_type_hints(signature.__init__ if inspect.isclass(signature) else signature, include_extras=True)
    for name, parameter in inspect.signature(signature).parameters.items():
        if name not in node and parameter.default is parameter.empty:
            continue
        given = _raw(node, name) if name in node else parameter.default
        below = f"{where}.{name}" if where else name
        if kind_of(given):
            yield from of_node(given, below)
        elif name in node:
            yield Key(below, given, in_words(hints.get(name, Any)))


def _raw(node: Any, key: str) -> Any:
    """A value as it is written: ``${loss}`` stays ``${loss}``."""
    return node._get_node(key)._value() if isinstance(node, DictConfig) and _reference(node, key) else node.get(key)


def _reference(node: DictConfig, key: str) -> bool:
    leaf: Any = node._get_node(key)
    return leaf is not None and (leaf._is_interpolation() or leaf._is_missing())
