"""A change in any module that a model's training runs through is a reason to train again: `code` names all of them."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.model import models
from ml.train import _FRAME

# What says how a model is shown, watched or refused: it would be fitted to the same.
_BESIDE = ("ml", "ml.errors", "ml.tables", "ml.monitoring")


@pytest.mark.parametrize("name", models())
def test_code_names_every_module_that_a_model_is_made_by(name: str) -> None:
    model = models()[name]
    found, waiting = set[str](), [type(model).__module__, model.served]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [other for other in imported(module) if not beside(other)]
    assert sorted(found - set(_FRAME)) == sorted(set(model.code) - set(_FRAME))


def beside(module: str) -> bool:
    return module in _BESIDE or module.startswith("ml.monitoring.") or module.endswith((".plots", ".tables"))


def imported(module: str) -> Iterator[str]:
    """Modules of `ml` that a module imports, inside its functions too; not those that only its types name."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text())
    typed = {id(node) for block in ast.walk(tree) if is_for_types(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in typed and (node.module or "").split(".")[0] == "ml":
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                package = importlib.util.find_spec(node.module or "")
                is_package = package is not None and package.submodule_search_locations is not None
                yield inside if is_package and importlib.util.find_spec(inside) else str(node.module)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
