"""
The names that users of the package may rely on, one per line: ``python -m tools.public_names`` writes the list.

They are the names in ``__all__`` of the public modules (:func:`tools.modules.public_modules`); all others are internal.

To remove or change a line is a breaking change.
"""

from __future__ import annotations

from importlib import import_module

from tools.modules import ROOT, public_modules

LIST = ROOT / "tests" / "unit" / "surface" / "public_names.txt"


def public_names() -> list[str]:
    """Return the lines ``module: name``, of what the public modules list in ``__all__``."""
    return [
        f"{module}: {name}"
        for module in public_modules()
        for name in sorted(getattr(import_module(module), "__all__", ()))
    ]


if __name__ == "__main__":
    LIST.write_text("\n".join(public_names()) + "\n", encoding="utf-8")
