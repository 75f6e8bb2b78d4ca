"""
Immutable values with named fields, whose classes are made quickly.

Each process that runs a task makes the classes of the values that its call goes through. ``NamedTuple`` compiles the
annotation of each field and a constructor of each class for that, which takes much longer than this.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_: bool) -> Callable[[type], type]:
        """Tell nothing: only type checkers ask how a value is constructed."""
        return lambda kind: kind


@dataclass_transform(frozen_default=True)
class Values(tuple[Any, ...]):
    """
    A tuple of the fields that a class declares, as ``NamedTuple`` makes it::

        class Lease(Values):
            owner: str
            until: float = 0.0

    It is compared, unpacked, hashed and pickled as a tuple.
    """

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[tuple[Any, ...]] = ()
    """Of the last fields."""

    def __init_subclass__(cls) -> None:
        """Take over the fields that the class declares, and their defaults."""
        cls._fields = tuple(cls.__annotations__)
        cls._defaults = tuple([cls.__dict__[name] for name in cls._fields if name in cls.__dict__])
        for index, name in enumerate(cls._fields):
            setattr(cls, name, property(itemgetter(index)))
        setattr(cls, "__match_args__", cls._fields)  # noqa: B010 - checkers derive it themselves, and let nobody set it

    if not TYPE_CHECKING:

        def __new__(cls, *given: Any, **named: Any) -> Self:
            """
            Make a value.

            :raises TypeError: a field is missing, unknown or given twice.
            """
            missing = len(cls._fields) - len(given)
            if missing and not named and 0 < missing <= len(cls._defaults):
                given += cls._defaults[-missing:]
            elif missing or named:
                given = cls._complete(given, named)
            return tuple.__new__(cls, given)

    @classmethod
    def _complete(cls, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        values = dict(zip(cls._fields[-len(cls._defaults) :], cls._defaults, strict=False))
        values |= zip(cls._fields, given, strict=False)
        twice = named.keys() & set(cls._fields[: len(given)])
        values |= named
        wrong = twice | (values.keys() ^ set(cls._fields))
        if wrong or len(given) > len(cls._fields):
            raise TypeError(
                f"{cls.__name__} takes {', '.join(cls._fields)}; check {sorted(wrong) or 'how many'}"
            )
        return tuple([values[name] for name in cls._fields])

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{type(self).__name__}({', '.join(shown)})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy and a pickle are made of."""
        return tuple(self)

    def _asdict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: Any) -> Self:
        """Return a copy with other values in some fields."""
        return type(self)(**{**self._asdict(), **changes})
