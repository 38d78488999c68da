"""What an installation of certiflex with some of its extras consists of."""

from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def distributions(*extras: str) -> set[str]:
    """Return every distribution that `certiflex[extras]` is installed with, itself included."""
    waiting = [("certiflex", frozenset(extras))]
    seen: dict[str, frozenset[str]] = {}
    while waiting:
        name, wanted = waiting.pop()
        if name in seen and wanted <= seen[name]:
            continue
        seen[name] = seen.get(name, frozenset()) | wanted
        waiting += _needed_by(name, seen[name])
    return set(seen)


def asked_by(extra: str) -> set[str]:
    """Return what certiflex itself asks for in an extra; in none of them if it is empty."""
    needed = map(Requirement, requires("certiflex") or [])
    return {
        str(canonicalize_name(one.name))
        for one in needed
        if (one.marker is None) == (not extra)
        and (one.marker is None or one.marker.evaluate({"extra": extra}))
    }


def _needed_by(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # for another system: never installed here
        return []
    needed = (Requirement(line) for line in lines)
    return [
        (str(canonicalize_name(one.name)), frozenset(one.extras))
        for one in needed
        if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in (*extras, ""))
    ]
