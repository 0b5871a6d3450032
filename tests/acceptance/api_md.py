"""The examples of docs/API.md, taken out of the document: what to run, and what it says comes of it.

The document has no code fences: an example begins at a line `import requests` and goes on for as long as the lines
are Python. What it says comes of it follows as a bytes literal, and once more after "For RAGBot:", where a RAGBot's
answer or request is another.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "API.md"
FIRST_LINE = "import requests"
FOR_RAGBOT = "\nFor RAGBot:\n"
RESULT = re.compile(r"^b'.*'$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One block of Python. `result` and `rag_result` are the bytes literals that follow it, None where none does.

    `rag_request` is the Python text of the body that a RAGBot is sent instead.
    """

    code: str
    result: str | None
    rag_result: str | None
    rag_request: str | None

    def with_body(self, text: str) -> "Example":
        """The example with `text` for the expression behind `json=`."""
        call = next(
            node for node in ast.walk(ast.parse(self.code)) if isinstance(node, ast.keyword) and node.arg == "json"
        )
        body = ast.get_source_segment(self.code, call.value)
        assert body is not None
        return Example(self.code.replace(body, text), self.result, self.rag_result, self.rag_request)


def examples() -> list[Example]:
    """All of them, in the order of the document."""
    chapters = DOCUMENT.read_text().split(f"{FIRST_LINE}\n")[1:]
    return [_example(f"{FIRST_LINE}\n{chapter}") for chapter in chapters]


def agent_config() -> dict[str, Any]:
    """The `configurable` that the document shows for an agent with a system message."""
    shown = re.search(r'"configurable": (\{\s*"type": "agent".*?\})', DOCUMENT.read_text(), re.DOTALL)
    assert shown is not None
    config: dict[str, Any] = ast.literal_eval(shown[1])
    return config


def _example(text: str) -> Example:
    block = _longest_python(text)
    result = RESULT.search(text.split(FOR_RAGBOT)[0])
    _, _, for_ragbot = text.partition(FOR_RAGBOT)
    rag_result = RESULT.search(for_ragbot)
    return Example(
        code=RESULT.sub("", block),
        result=result[0] if result else None,
        rag_result=rag_result[0] if rag_result else None,
        rag_request=_longest_python(for_ragbot.lstrip()) if for_ragbot.lstrip().startswith("{") else None,
    )


def _longest_python(text: str) -> str:
    """The longest beginning of the text, in whole lines, that is Python."""
    lines = text.splitlines()
    for end in range(len(lines), 0, -1):
        block = "\n".join(lines[:end])
        try:
            ast.parse(block)
        except SyntaxError:
            continue
        return block.rstrip()
    raise ValueError(f"no Python: {text[:80]!r}")
