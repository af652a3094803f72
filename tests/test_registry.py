import inspect
import sys
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from colorbench import ranges, registry
from colorbench.engine.budget import Limits
from colorbench.engine.engine import Settings
from colorbench.engine.optimizers import pace, shared
from colorbench.engine.phases import Phase
from colorbench.errors import UserError
from colorbench.training import schema
from colorbench.training.monitor import Options


def component(*, width: int, scale: float = 1.0, tags: tuple[str, ...] = (), inner: object = None) -> dict:
    return {"width": width, "scale": scale, "tags": tags, "inner": inner}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(registry._components, ("network", "toy"), component)


def test_a_component_is_built_by_name_with_its_nested_components():
    built = registry.build("network", {"network": "toy", "width": 3, "inner": {"network": "toy", "width": 4}})
    assert built["width"] == 3
    assert built["inner"]["width"] == 4


def test_lists_become_tuples_where_the_signature_says_so_and_ints_are_fine_floats():
    built = registry.build("network", {"network": "toy", "width": 3, "scale": 2, "tags": ["a", "b"]})
    assert built["tags"] == ("a", "b")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"network": "toi", "width": 1}, ["unknown network 'toi'", "'toy'"]),
        ({"network": "toy", "widht": 1, "width": 1}, ["network.widht", "'width'"]),
        ({"network": "toy"}, ["needs the option 'width'"]),
        ({"network": "toy", "width": "wide"}, ["network.width", "expected a whole number", "'wide'"]),
        ({"network": "toy", "width": 1, "tags": [1]}, ["network.tags"]),
        ({"width": 1}, ["names no network"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key_and_the_close_matches(config, words):
    with pytest.raises(UserError) as caught:
        registry.build("network", config)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_word_in_the_place_of_a_component_is_told_what_components_there_are():
    with pytest.raises(UserError, match=r"optim.decay: .*; give its options, \{decay: constant or cosine"):
        registry.check_options(shared, "optim", "optim", {"decay": "cosine", "ema": 0.9, "groups": {}})


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess:run", "../toy"])
def test_a_config_can_never_name_code_that_is_not_registered(name):
    with pytest.raises(UserError, match="unknown network"):
        registry.build("network", {"network": name, "args": "true"})


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="registered twice"):
        registry.register("network", "toy")(lambda *, width: width)
    with pytest.raises(ValueError, match="no such kind"):
        registry.register("sausage", "toy")


def test_a_plugin_that_cannot_be_imported_is_a_clear_line():
    with pytest.raises(UserError, match="plugins: cannot import 'no_such_module_of_mine'"):
        registry.load_plugins(["no_such_module_of_mine"])


def test_a_plugin_registers_its_components(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(
        "from colorbench.registry import register\n"
        "@register('network', 'mine')\n"
        "def mine(*, k: int = 2):\n"
        "    return k\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.load_plugins(["my_networks"])
    assert registry.build("network", {"network": "mine"}) == 2
    del registry._components["network", "mine"]
    sys.modules.pop("my_networks")


def numbers(hint: Any) -> bool:
    """Does a plain int or float stand anywhere in a type, without a range?"""
    if hint in (int, float):
        return True
    if get_origin(hint) is Annotated:
        return ranges.words(hint) is None
    return any(numbers(h) for h in get_args(hint)) if get_origin(hint) is not None else False


SCHEMAS = [schema.settings, shared, pace, Limits, Settings, Phase, Options]
"""What the nodes of a config are looked at by that name no component."""
REGISTERED = [registry.lookup(kind, name) for kind in registry.PACKAGES for name in registry.names(kind)]


def test_every_number_of_every_signature_has_a_range():
    bare = []
    for component in [*SCHEMAS, *REGISTERED]:
        function = component.__init__ if inspect.isclass(component) else component
        hints = get_type_hints(function, include_extras=True)
        for key in inspect.signature(component).parameters:
            if key in hints and numbers(hints[key]):
                bare.append(f"{component.__module__}.{component.__qualname__}: {key}")
    assert not bare, "annotate them with a kind of colorbench/ranges.py"
