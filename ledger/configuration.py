"""Configuration of a program: frozen dataclasses filled from flags, environment and one file.

A flag wins over the environment, the environment over the file, the file over the default.
Every fault is found and told at once; an unknown key is a fault.
"""

import difflib
import json
import os
import re
import tomllib
import types
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ledger.errors import Rejected, unreadable

T = TypeVar("T")

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# The only character that TOML wants escaped and JSON does not.
_DELETE, _ESCAPED_DELETE = "\x7f", "\\u007f"
_UNION = (Union, types.UnionType)
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


class Misconfigured(Rejected):
    """Everything that is wrong with a configuration, one line each in `faults`."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults), reason="misconfigured")
        self.faults = faults

    def __str__(self) -> str:
        """Return one fault a line."""
        return "\n".join(self.faults)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[T]):
    """A configuration, and for each dotted key where its value came from."""

    value: T
    origins: Mapping[str, str]


def load(
    kind: type[T],
    file: Path | None,
    *,
    program: str,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded[T]:
    """Return the configuration of a program.

    Args:
        kind: a frozen dataclass; its fields may be plain values, paths, enumerations, literals,
            tuples of these, or dataclasses of the same make. A relative path in the file counts
            from the file's own folder. Checks of its own raise ValueError in `__post_init__`.
        file: a TOML file, or None.
        program: names the environment: ``CERTIFLEX_<PROGRAM>__<TABLE>__<KEY>``.
        flags: dotted keys from the command line.
        environ: the environment, `os.environ` by default.

    Raises:
        Misconfigured: with every fault found.
    """
    text = _read(file) if file else ""
    reader = _Reader(file, text)
    _fill(reader.given, reader.origins, _parse(file, text), str(file), "")
    environment = os.environ if environ is None else environ
    prefix = f"CERTIFLEX_{program.upper()}__"
    for name in sorted(environment):
        if name.startswith(prefix):
            key = name.removeprefix(prefix).lower().replace("__", ".")
            reader.override(key, environment[name], f"environment {name}")
    for key, value in (flags or {}).items():
        reader.override(key, value, "flag")
    built = reader.build(kind, reader.given, "")
    if reader.faults or built is None:
        raise Misconfigured(reader.faults)
    return Loaded(built, reader.origins)


def filled(kind: type[T], given: Mapping[str, Any], file: Path) -> T:
    """Return a dataclass filled from what a file holds; `kind` is of the make `load` takes.

    Raises:
        Misconfigured: with every fault found.
    """
    reader = _Reader(file, "")
    built = reader.build(kind, given, "")
    if reader.faults or built is None:
        raise Misconfigured(reader.faults)
    return built


def written(value: Any) -> str:  # noqa: ANN401 -- any flat dataclass
    """Return the file from which `load` makes a dataclass of texts and numbers again."""
    # A JSON string without escaped surrogates is a TOML string too.
    told = {field.name: getattr(value, field.name) for field in fields(value)}
    return "".join(
        f"{name} = {json.dumps(entry, ensure_ascii=False).replace(_DELETE, _ESCAPED_DELETE)}\n"
        for name, entry in told.items()
    )


def schema(kind: type) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a configuration file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_object_schema(kind)}


def shown(loaded: Loaded[T]) -> list[tuple[str, str, str]]:
    """Return key, value and origin of every setting, in the order of the dataclass."""
    return [
        (key, str(value), loaded.origins.get(key, "default"))
        for key, value in _flat(loaded.value, "")
    ]


class _Reader:
    """Builds dataclasses from given values and collects what is wrong with them."""

    def __init__(self, file: Path | None, text: str) -> None:
        self.file = file
        self.text = text
        self.given: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.faults: list[str] = []

    def override(self, key: str, value: str, origin: str) -> None:
        *tables, last = key.split(".")
        at = self.given
        for table in tables:
            inner = at.setdefault(table, {})
            if not isinstance(inner, dict):
                self.fault(key, f"{table} is no table")
                return
            at = inner
        at[last] = value
        self.origins[key] = origin

    def fault(self, key: str, what: str) -> None:
        origin = self.origins.get(key, "")
        place = origin if origin and origin != str(self.file) else self._place(key)
        self.faults.append(f"{place}: {key}: {what}" if key else f"{place}: {what}")

    def build(self, kind: type[T], given: Mapping[str, Any], key: str) -> T | None:
        hints = get_type_hints(kind)
        known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
        faults_before = len(self.faults)
        for name in given.keys() - known.keys():
            self.fault(_join(key, name), f"unknown key{_did_you_mean(name, list(known))}")
        values = {
            name: self.convert(hints[name], given[name], _join(key, name))
            for name in known
            if name in given
        }
        for name, field in known.items():
            if name not in given and _is_required(field):
                self.fault(_join(key, name), f"is missing; expected {_told_type(hints[name])}")
        if len(self.faults) > faults_before:
            return None
        try:
            return kind(**values)
        except ValueError as error:
            self.fault(key, str(error))
            return None

    def convert(self, hint: Any, value: Any, key: str) -> Any:  # noqa: ANN401 -- any type of setting
        try:
            return self._converted(hint, value, key)
        except (TypeError, ValueError, OverflowError) as error:
            expected = _told_type(hint)
            detail = f" ({error})" if isinstance(error, ValueError) and str(error) else ""
            self.fault(key, f"expected {expected}, found {value!r}{detail}")
            return None

    def _converted(self, hint: Any, value: Any, key: str) -> Any:  # noqa: ANN401, PLR0911 -- one line a type
        origin, arguments = get_origin(hint), get_args(hint)
        if is_dataclass(hint):
            if not isinstance(value, dict):
                raise TypeError
            return self.build(hint, value, key)  # type: ignore[arg-type]
        if origin in _UNION:
            inner = next(kind for kind in arguments if kind is not type(None))
            return None if value is None else self._converted(inner, value, key)
        if origin is Literal:
            return _one_of(value, arguments)
        if origin is tuple:
            entries = value.split(",") if isinstance(value, str) else value
            if not isinstance(entries, list):
                raise TypeError
            return tuple(
                self.convert(arguments[0], entry, f"{key}[{n}]") for n, entry in enumerate(entries)
            )
        if isinstance(hint, type) and issubclass(hint, Enum):
            return hint(value)
        if hint is Path and isinstance(value, str):
            return (self.file.parent if self.file else Path()) / Path(value).expanduser()
        return _plain(hint, value)

    def _place(self, key: str) -> str:
        if self.file is None:
            return "configuration"
        line = _line_of(self.text, key)
        return f"{self.file}:{line}" if line else str(self.file)


def _plain(hint: Any, value: Any) -> Any:  # noqa: ANN401 -- any type of setting
    if hint is bool and isinstance(value, str):
        return _one_of_truths(value)
    if hint in {int, float} and isinstance(value, str):
        return hint(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError
    return value


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:  # noqa: ANN401 -- any type of setting
    for choice in choices:
        if value in {choice, str(choice)}:
            return choice
    raise TypeError


def _one_of_truths(value: str) -> bool:
    if value.lower() not in _TRUTH:
        raise TypeError
    return _TRUTH[value.lower()]


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured([str(unreadable(file, error))]) from error
    except UnicodeDecodeError as error:
        raise Misconfigured([f"{file}: cannot be read (is not UTF-8)"]) from error


def _parse(file: Path | None, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured([f"{file}: not TOML: {error}"]) from error


def _fill(
    given: dict[str, Any], origins: dict[str, str], parsed: dict[str, Any], origin: str, key: str
) -> None:
    for name, value in parsed.items():
        full = _join(key, name)
        if isinstance(value, dict):
            _fill(given.setdefault(name, {}), origins, value, origin, full)
        else:
            given[name] = value
            origins[full] = origin


def _line_of(text: str, key: str) -> int:
    """Return the line of a key in a TOML text, or else of its table, or else 0."""
    wanted_table, _, wanted = key.rpartition(".")
    table, found, seen = "", 0, Counter[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            table = header[2] if header[1] == "[" else f"{header[2]}[{seen[header[2]]}]"
            seen[header[2]] += 1
            if table in {wanted_table, key}:
                found = number
        elif table == wanted_table and re.match(rf"\s*{re.escape(wanted)}\s*=", line):
            return number
    return found


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _did_you_mean(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _told_type(hint: Any) -> str:  # noqa: ANN401 -- any type of setting
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNION:
        return _told_type(next(kind for kind in arguments if kind is not type(None)))
    if origin is Literal:
        return "one of " + ", ".join(repr(choice) for choice in arguments)
    if origin is tuple:
        return f"a list, each {_told_type(arguments[0])}"
    if is_dataclass(hint):
        return "a table"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(repr(choice.value) for choice in hint)
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    return names.get(hint, "a path")


def _object_schema(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    listed: list[Field[Any]] = list(fields(kind))
    properties = {field.name: _field_schema(hints[field.name], field) for field in listed}
    required = [field.name for field in listed if _is_required(field)]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field_schema(hint: Any, field: Field[Any]) -> dict[str, Any]:  # noqa: ANN401 -- any type
    described = _type_schema(hint)
    if text := field.metadata.get("help"):
        described["description"] = text
    if field.default is not MISSING and field.default is not None:
        default = field.default
        described["default"] = default if isinstance(default, bool | int | float) else str(default)
    return described


def _type_schema(hint: Any) -> dict[str, Any]:  # noqa: ANN401 -- any type of setting
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNION:
        return _type_schema(next(kind for kind in arguments if kind is not type(None)))
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if isinstance(hint, type) and is_dataclass(hint):
        return _object_schema(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [choice.value for choice in hint]}
    return {"type": _JSON_TYPES[hint]}


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 -- any type of setting
    for field in fields(value):
        inner, full = getattr(value, field.name), _join(key, field.name)
        if is_dataclass(inner):
            yield from _flat(inner, full)
        else:
            yield full, inner
