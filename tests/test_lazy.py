"""Packages that load their names when asked for: complete, unambiguous, and really lazy."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import covidx
from covidx.lazy import lazy_names

ROOT = Path(covidx.__file__).parent
PACKAGES = {
    ".".join(path.parent.relative_to(ROOT.parent).parts): path
    for path in ROOT.rglob("__init__.py")
    if "lazy_names(" in path.read_text()
}


def _imported(path: Path) -> dict[str, str]:
    """Name -> module, as the `if TYPE_CHECKING:` of a package imports them."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return {
                name.name: str(line.module)
                for line in node.body
                if isinstance(line, ast.ImportFrom)
                for name in line.names
            }
    raise AssertionError(f"{path} has no TYPE_CHECKING block")


@pytest.mark.parametrize("package", PACKAGES)
def test_that_a_package_loads_what_type_checkers_are_shown(package: str) -> None:
    module = import_module(package)
    imported = _imported(PACKAGES[package])
    assert sorted(imported) == dir(module)
    for name, source in imported.items():
        assert getattr(module, name) is getattr(import_module(source), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_that_no_name_is_that_of_a_module(package: str) -> None:
    folder = PACKAGES[package].parent
    modules = {path.stem for path in folder.iterdir()}
    assert not modules & set(dir(import_module(package)))


def test_that_an_unknown_name_is_an_attribute_error() -> None:
    getattribute, _ = lazy_names("covidx.cohort", str(ROOT / "cohort" / "__init__.py"))
    with pytest.raises(AttributeError, match=r"module 'covidx\.cohort' has no attribute 'Split'"):
        getattribute("Split")


@pytest.mark.parametrize("package", PACKAGES)
def test_that_importing_a_package_loads_none_of_its_modules(package: str) -> None:
    script = (
        f"import sys, {package}; print(*(m for m in sys.modules if m.startswith('{package}.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    # What loads names lies in the package above all others.
    assert set(done.stdout.split()) <= {"covidx.lazy"}
