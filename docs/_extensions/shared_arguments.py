"""
Add to each class of the reference the arguments that it shares with others.

An operator takes them as ``**kwargs: Unpack[CallArguments]``. Their types and descriptions are in
``arguments.py``, one string below each; those without a string are Airflow's and are left out.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SOURCE = Path(__file__).parents[2] / "airflow_channel_provider" / "arguments.py"
_GROUPS = {
    node.name: node for node in ast.parse(SOURCE.read_text("utf-8")).body if isinstance(node, ast.ClassDef)
}


def arguments(group: str) -> dict[str, tuple[str, str]]:
    """
    Return type and description of each argument that is described.

    :param group: name of a class of the module.
    """
    node = _GROUPS[group]
    found: dict[str, tuple[str, str]] = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in _GROUPS:
            found |= arguments(base.id)
    for field, text in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            described = " ".join(str(ast.literal_eval(text.value)).split())
            found[ast.unparse(field.target)] = (ast.unparse(field.annotation), described)
    return found


def group_of(cls: type) -> str | None:
    """Return the name of the class whose fields a constructor takes as its other arguments."""
    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    kinds = [str(one.annotation) for one in parameters if one.kind is one.VAR_KEYWORD]
    named = re.search(r"Unpack\[(?:[\w.]+\.)?(\w+)\]", "".join(kinds))
    return named[1] if named else None


def describe(app: Sphinx, what: str, name: str, cls: Any, options: Any, lines: list[str]) -> None:
    """Write the shared arguments below a class's own."""
    if what != "class" or (group := group_of(cls)) is None or group not in _GROUPS:
        return
    # An editor shows the sentence in place of what follows here.
    named = next(
        (number for number, line in enumerate(lines) if line.startswith(":param kwargs:")), len(lines)
    )
    del lines[named:]
    while lines and not lines[-1].strip():
        lines.pop()
    for argument, (kind, text) in arguments(group).items():
        lines += [f":param {argument}: {text}", f":type {argument}: {kind}"]
    lines.append("")


def shorten(
    app: Sphinx, what: str, name: str, cls: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Leave ``**kwargs`` out of a signature: what it stands for is described below."""
    if what != "class" or signature is None or "Unpack" not in signature:
        return None
    return re.sub(r",? ?\*\*kwargs: .*(?=\)$)", "", signature), returned


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", describe)
    app.connect("autodoc-process-signature", shorten)
    return {"parallel_read_safe": True}
