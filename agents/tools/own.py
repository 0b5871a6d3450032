"""Tools of one's own: what the setting TOOLS names.

Each entry is the dotted path of a LangChain tool, of a list of them, or of a plain function with type hints and a
docstring, sync or async. The last part of the path is the tool's type key, and the name that the model sees.
What the catalogue shows is read from the source and not imported: a module of tools brings LangChain, or more, along.
`agents.tools.own_tools` imports it, when a run needs it.
"""

import ast
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from agents.tools.kinds import ToolKind


@dataclass(frozen=True, slots=True)
class _Source:
    """What the source says of an entry: the beginning of its docstring, and what is wrong with it."""

    summary: str = ""
    problem: str | None = None

    def why_not(self) -> str | None:
        return self.problem


def own_kind(path: str) -> ToolKind:
    """The catalogue's entry for the tool at this dotted path. What is wrong with the path, its `why_not` says."""
    module, _, name = path.rpartition(".")
    source = _read(path, module, name)
    return ToolKind(
        key=name,
        name=name,
        description=source.summary or f"The tool {path} of this server.",
        factory=f"{module}:{name}",
        why_not=source.why_not,
        own=True,
    )


def _read(path: str, module: str, name: str) -> _Source:
    if not module or not all(part.isidentifier() for part in path.split(".")):
        return _Source(problem=f"TOOLS names {path!r}, which is no dotted path like mypackage.mymodule.mytool.")
    try:
        spec = find_spec(module)
    except Exception as exc:  # whatever the packages that hold the module do when they are imported
        return _Source(problem=f"TOOLS names {path}, and {module} cannot be found: {type(exc).__name__}.")
    if spec is None or spec.origin is None:
        return _Source(problem=f"TOOLS names {path}, and there is no module {module}.")
    if not spec.origin.endswith(".py"):
        return _Source()  # compiled: its import will tell
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except SyntaxError as exc:
        return _Source(problem=f"TOOLS names {path}, and line {exc.lineno} of {module} is not Python.")
    return _read_binding(tree, path, module, name)


def _read_binding(tree: ast.Module, path: str, module: str, name: str) -> _Source:
    bound = next((node for node in reversed(tree.body) if name in _names_bound_by(node)), None)
    if bound is None:
        return _Source(problem=f"TOOLS names {path}, and {module} has no {name}.")
    if not isinstance(bound, ast.FunctionDef | ast.AsyncFunctionDef):
        return _Source()
    docstring = ast.get_docstring(bound)
    if not docstring and not bound.decorator_list:
        return _Source(problem=f"{path} has no docstring, which would tell the model what the tool is for.")
    return _Source(summary=" ".join((docstring or "").partition("\n\n")[0].split()))


def _names_bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    # An assignment, or an `if` or `try` around some.
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    inner = {part for part in ast.walk(node) if part is not node and isinstance(part, ast.stmt)}
    return names.union(*(_names_bound_by(part) for part in inner if not isinstance(part, ast.Assign)))
