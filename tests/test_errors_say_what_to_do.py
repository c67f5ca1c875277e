"""A code that is raised at several places says what to do at all of them, or at none."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import covidx

ROOT = Path(covidx.__file__).parent
ROOMS = [
    "audit",
    "bundles.py",
    "cards",
    "cli",
    "clinical",
    "cohort",
    "config.py",
    "export",
    "files.py",
    "fusion",
    "imaging",
    "inference",
    "kinds.py",
    "phantom",
    "pipelines",
    "radiograph_severity",
    "runs.py",
    "segmentation",
    "tracking",
]


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        place = ROOT / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            yield path, ast.parse(path.read_text())


def _is_code(node: ast.expr) -> bool:
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and text.isupper() and "_" in text


def _passes_hint(call: ast.Call, makers: dict[str, ast.FunctionDef]) -> bool:
    """Whether a call gives a hint, or calls a function of its module that has one of its own."""
    maker = makers.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if any(keyword.arg == "hint" for keyword in call.keywords):
        return True
    if maker is None:
        return False
    names = [argument.arg for argument in maker.args.args]
    if "hint" in names:
        return len(call.args) > names.index("hint")
    return any(
        keyword.arg == "hint"
        for node in ast.walk(maker)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    )


def _raised() -> dict[str, list[tuple[str, bool]]]:
    """Code -> place, and whether there is a hint."""
    modules = list(_modules())
    shared = {
        node.name: node
        for _, tree in modules
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in ("by_row", "refuse_rows")
    }
    places = defaultdict(list)
    for path, tree in modules:
        makers = shared | {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) > 1 and _is_code(node.args[0]):
                code = ast.literal_eval(node.args[0])
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                places[code].append((where, _passes_hint(node, makers)))
    return places


def test_a_code_has_a_hint_wherever_it_is_raised_or_nowhere() -> None:
    places = _raised()

    mixed = {code: found for code, found in places.items() if len({has for _, has in found}) > 1}

    assert len(places) > 100
    assert mixed == {}
