"""``__all__`` of every module is true: each name exists, and each public function and class is named."""

import ast

import pytest

import edge


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return ast.literal_eval(node.value)
    return None


def bound(body: list[ast.stmt]) -> set[str]:
    """Return the names that statements bind, conditional ones included."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names |= {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name)}
        else:
            for field in ("body", "orelse", "handlers", "finalbody"):
                names |= bound(getattr(node, field, []))
    return names


def test_exports_are_true(module_files, subtests):
    for module, path in module_files.items():
        with subtests.test(module=module):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = exported(tree)
            assert names is not None, f"{module} has no __all__"
            assert len(names) == len(set(names)), f"{module}: a name is listed twice"
            assert set(names) <= bound(tree.body), f"{module}: a listed name does not exist"
            own = {
                node.name
                for node in tree.body
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            }
            assert own <= set(names), f"{module}: public, but not in __all__: {sorted(own - set(names))}"


@pytest.mark.parametrize("name", edge.__all__)
def test_public_names_of_edge_can_be_used(name):
    value = getattr(edge, name)
    assert name in dir(edge)
    assert getattr(value, "__doc__", None), f"edge.{name} is not documented"


@pytest.mark.parametrize("order", ["sorted(edge.__all__)", "sorted(edge.__all__, reverse=True)"])
def test_public_names_of_edge_do_not_hide_each_other(order, python):
    # A module of the same name as a function would take its place when it is imported.
    done = python(
        f"""
import edge, types
first = {{name: getattr(edge, name) for name in {order}}}
assert {{name: getattr(edge, name) for name in first}} == first
print(*(name for name, value in first.items() if isinstance(value, types.ModuleType)))
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["errors"]


def test_unknown_name_of_edge_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        edge.no_such_name  # noqa: B018
