"""What is made of forms: lists, what may be absent, and the dataclasses of documents."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from central.documents.faults import Fault, Reading, Wire, shown
from central.documents.forms import MAX_TEXT, UNITS, Form, Instant, OneOf, PodCode, Quarter
from ledger.facts.interval import QUARTER_MS
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True)
class Twice:
    """A JSON object that names a field twice."""

    name: str


@dataclass(frozen=True, slots=True)
class Each:
    """Entries in strictly ascending order of `by`, so that nothing is said twice.

    Args:
        meaning: what the entries are.
        by: the fields that order them; none for entries in an order of their own.
        least: how many there are at least.
        complete: one entry for every quarter-hour of the document.
        entry: the form of an entry, put in by `shape_of`.
    """

    meaning: str
    by: tuple[str, ...] = ()
    least: int = 0
    complete: bool = False
    entry: Form | None = None

    def read(self, value: Any, reading: Reading) -> tuple[Any, ...]:  # noqa: ANN401 -- checks what it is given
        """Return the entries."""
        if type(value) is not list:
            raise Fault(f"expected a list, found {shown(value)}", "wrong_type")
        if len(value) < self.least:
            raise Fault(f"expected at least {self.least}, found {len(value)}", "out_of_range")
        assert self.entry is not None  # noqa: S101 -- `shape_of` has put it in
        read, entries = self.entry.read, []
        try:
            for given in value:
                entries.append(read(given, reading))  # noqa: PERF401 -- its length is the place
        except Fault as fault:
            raise fault.within(len(entries)) from None
        if self.by:
            self._check_order(entries)
        if self.complete and reading.span is not None:
            self._check_complete(entries, reading.span.duration_ms // QUARTER_MS)
        return tuple(entries)

    def _check_order(self, entries: Sequence[Any]) -> None:
        getters = [attrgetter(name) for name in self.by]
        keys = [[(key is not None, key) for key in (get(e) for get in getters)] for e in entries]
        for place, (before, this) in enumerate(itertools.pairwise(keys), 1):
            if before < this:
                continue
            told = f"each {' and '.join(map(told_name, self.by))} once, in ascending order"
            if before > this:
                raise Fault(f"expected {told}", "not_in_order", "sort them").within(place)
            reason = "duplicate_quarter" if "start_ms" in self.by else "duplicate_entry"
            raise Fault(f"it is there twice; expected {told}", reason).within(place)

    def _check_complete(self, entries: Sequence[Any], quarter_count: int) -> None:
        if len(entries) != quarter_count:
            raise Fault(
                f"expected all {quarter_count} quarter-hours of the validity, found {len(entries)}",
                "missing_quarter",
            )

    def tell(self, value: Sequence[Any], wire: Wire) -> list[Any]:
        """Return the entries as they go out."""
        assert self.entry is not None  # noqa: S101 -- `shape_of` has put it in
        tell = self.entry.tell
        return [tell(entry, wire) for entry in value]

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        assert self.entry is not None  # noqa: S101 -- `shape_of` has put it in
        least = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.entry.schema(), **least}

    def valid(self) -> str:
        """Return their number and order."""
        count = f"at least {self.least}" if self.least else ""
        order = f"ascending by {', '.join(f'`{name}`' for name in self.by)}" if self.by else ""
        return ", ".join(filter(None, ("every quarter-hour" if self.complete else count, order)))


@dataclass(frozen=True, slots=True)
class Maybe:
    """A field that may be null, or left out in JSON."""

    form: Form

    @property
    def meaning(self) -> str:
        """Return what the field says when it is there."""
        return self.form.meaning

    def read(self, value: Any, reading: Reading) -> Any:  # noqa: ANN401 -- checks what it is given
        """Return the value, or None."""
        return None if value is None else self.form.read(value, reading)

    def tell(self, value: Any, wire: Wire) -> Any:  # noqa: ANN401 -- any form's value
        """Return the value as it goes out, or None."""
        return None if value is None else self.form.tell(value, wire)

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        return {"anyOf": [self.form.schema(), {"type": "null"}]}

    def valid(self) -> str:
        """Return what is valid when it is there."""
        return self.form.valid()


@dataclass(frozen=True, slots=True)
class Shape:
    """A dataclass: an object with these fields and no other, or an array in their order."""

    kind: type
    forms: Mapping[str, Form]
    names: Mapping[str, str]
    meaning: str = ""

    def read(self, value: Any, reading: Reading) -> Any:  # noqa: ANN401 -- checks what it is given
        """Return an instance of the dataclass."""
        if isinstance(value, Twice):
            raise Fault("it is there twice", "duplicate_field").within(value.name)
        wire = reading.wire
        given = self._by_name(value) if wire is Wire.JSON else self._by_place(value)
        values = {}
        for name, form in self.forms.items():
            try:
                values[name] = form.read(given.get(name), reading)
            except Fault as fault:
                raise fault.within(self.names[name]) from None
        try:
            return self.kind(**values)
        except ValueError as error:
            raise Fault(str(error), "contradiction") from error

    def _by_name(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 -- checks what it is given
        if type(value) is not dict:
            raise Fault(f"expected an object, found {shown(value)}", "wrong_type")
        missing = [
            told for name, told in self.names.items()
            if told not in value and not isinstance(self.forms[name], Maybe)
        ]  # fmt: skip
        for unknown in sorted(value.keys() - set(self.names.values())):
            raise _unknown(unknown[:MAX_TEXT], missing, list(self.names.values()))
        for told in missing:
            raise Fault("it is missing", "missing_field").within(told)
        return {name: value.get(told) for name, told in self.names.items()}

    def _by_place(self, value: Any) -> dict[str, Any]:  # noqa: ANN401 -- checks what it is given
        if type(value) is not list or len(value) != len(self.forms):
            raise Fault(f"expected an array of {len(self.forms)}", "wrong_shape")
        return dict(zip(self.forms, value, strict=True))

    def tell(self, value: Any, wire: Wire) -> Any:  # noqa: ANN401 -- a dataclass's instance
        """Return the fields as they go out."""
        if wire is Wire.BINARY:
            return [form.tell(getattr(value, name), wire) for name, form in self.forms.items()]
        return {
            self.names[name]: form.tell(getattr(value, name), wire)
            for name, form in self.forms.items()
        }

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        properties = {}
        for name, form in self.forms.items():
            properties[self.names[name]] = form.schema() | (
                {"description": form.meaning} if form.meaning else {}
            )
        return {
            "type": "object",
            "properties": properties,
            "required": [
                self.names[name] for name, form in self.forms.items() if not isinstance(form, Maybe)
            ],
            "additionalProperties": False,
        }

    def valid(self) -> str:
        """Return nothing: its own table says it."""
        return ""


def shape_of(kind: type) -> Shape:
    """Return the shape of a dataclass whose fields are annotated with their forms."""
    return _shape_of(kind)


@functools.cache
def _shape_of(kind: type) -> Shape:
    hints = get_type_hints(kind, include_extras=True)
    forms = {field.name: _form(hints[field.name]) for field in fields(kind)}
    names = {
        name: told_name(name) if isinstance(_bare(form), Instant | Quarter) else name
        for name, form in forms.items()
    }
    return Shape(kind, forms, names)


def told_name(name: str) -> str:
    """Return how an instant is called in JSON, where it is text: `start_at` for `start_ms`."""
    return f"{name.removesuffix('_ms')}_at" if name.endswith("_ms") else name


def _bare(form: Form) -> Form:
    return form.form if isinstance(form, Maybe) else form


def _form(hint: Any) -> Form:  # noqa: ANN401 -- any annotation
    """Return the form of an annotation: its own, or that of its type and a meaning."""
    if get_origin(hint) is not Annotated:
        return _typed(hint, "")
    inner, told = get_args(hint)
    if isinstance(told, str):
        return _typed(inner, told)
    if isinstance(told, Each):
        entry = _form(get_args(inner)[0])
        return Each(told.meaning, told.by, told.least, told.complete, entry)
    form: Form = told
    return Maybe(form) if _is_optional(inner) else form


def _typed(hint: Any, meaning: str) -> Form:  # noqa: ANN401 -- any annotation
    if _is_optional(hint):
        (inner,) = (each for each in get_args(hint) if each is not NoneType)
        return Maybe(_typed(inner, meaning))
    if hint is Pod:
        return PodCode(meaning)
    if issubclass(hint, StrEnum):
        return OneOf(meaning, hint)
    shape = shape_of(hint)
    return Shape(shape.kind, shape.forms, shape.names, meaning)


def _is_optional(hint: Any) -> bool:  # noqa: ANN401 -- any annotation
    return get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint)


def _unknown(name: str, missing: Sequence[str], known: Sequence[str]) -> Fault:
    """Return what is wrong with a field that is none; a field in another unit has its name."""
    for wanted in missing:
        unit = next((unit for unit in UNITS if wanted.endswith(unit)), None)
        stem = wanted.removesuffix(unit) if unit else None
        if stem and (name == stem or name.startswith(f"{stem}_")):
            return Fault(
                f"the unit is another; expected {wanted}", "wrong_unit", f"send {wanted}"
            ).within(name)
    return Fault("there is no such field", "unknown_field", f"known are {', '.join(known)}").within(
        name
    )
