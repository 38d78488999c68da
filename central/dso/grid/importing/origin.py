"""Where grids of others come from: a file of pandapower, a code of SimBench, or files of CGMES.

These libraries are heavy and belong to the extra `grid`: they are loaded when somebody asks.
"""

import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from central.dso.grid.importing import MADE_UP_PODS
from central.dso.grid.importing.conversion import Imported, converted
from central.dso.grid.importing.tables import Net
from ledger.errors import Rejected

SIMBENCH = "simbench:"


def imported(source: str, *, pod_prefix: str = MADE_UP_PODS) -> Imported:
    """Return the grid at a source, with the report of what was lost.

    Args:
        source: a JSON file of pandapower, ``simbench:CODE``, or an XML file, ZIP archive or folder
            of CGMES.
        pod_prefix: how the codes that loads get begin; numbers follow.

    Raises:
        RefusedImport: something of it cannot be had here and cannot be left out.
        Rejected: `bad_source`: it cannot be read; `missing_extra`: nothing here can read it.
    """
    if source.startswith(SIMBENCH):
        code = source.removeprefix(SIMBENCH)
        net, told = _opened(source, lambda: _simbench(code)), f"SimBench {code} (ODbL 1.0)"
    elif (path := Path(source)).suffix == ".json":
        net, told = _opened(source, lambda: _pandapower(path)), f"pandapower, {path.name}"
    elif path.suffix in {".xml", ".zip"} or path.is_dir():
        net, told = _opened(source, lambda: _cgmes(path)), f"CGMES, {path.name}"
    else:
        raise _bad(source, "is no JSON of pandapower, no SimBench code and no CGMES")
    name = source.removeprefix(SIMBENCH) if source.startswith(SIMBENCH) else Path(source).stem
    return converted(net, name=name, source=told, pod_prefix=pod_prefix)


def _opened(source: str, opening: Callable[[], Net]) -> Net:
    try:
        with _in_silence():
            return opening()
    except ModuleNotFoundError as error:
        raise Rejected(
            f"this machine has no {error.name}",
            where=source,
            remedy="type: pip install 'certiflex[grid]'",
            reason="missing_extra",
        ) from error
    except _Unreadable as error:
        raise _bad(source, str(error)) from error
    except Exception as error:  # the libraries raise anything at all on what they cannot read
        lines = str(error).strip().splitlines() or [""]
        raise _bad(source, f"cannot be read ({type(error).__name__}: {lines[0]})") from error


@contextmanager
def _in_silence() -> Iterator[None]:
    """Keep to themselves what the libraries tell their own developers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _pandapower(path: Path) -> Net:
    import pandapower  # noqa: PLC0415 -- see above

    net = pandapower.from_json_string(path.read_text(encoding="utf-8"))
    if not isinstance(net, pandapower.auxiliary.pandapowerNet):
        raise _Unreadable(_strange(net))
    return pandapower.convert_format(net)


def _strange(said: Any) -> str:  # noqa: ANN401 -- whatever JSON says
    """Return what a JSON file is that holds no net, and what can be done with it."""
    match said:
        case {"schema": str(schema), "network": _}:
            return f"is a grid file already ({schema}): type certiflex central grid check FILE"
        case {"data": _, "type": _, "is_batch": _}:
            return (
                "is a network of power-grid-model, which needs no import: "
                "write a grid file beside it that names it under network"
            )
        case _:
            return "holds no net of pandapower"


def _simbench(code: str) -> Net:
    import simbench  # noqa: PLC0415 -- see above

    if code not in simbench.collect_all_simbench_codes():
        raise _Unreadable("no such code; for example 1-MV-rural--0-no_sw")
    return simbench.get_simbench_net(code)


def _cgmes(path: Path) -> Net:
    from pandapower.converter.cim.cim2pp.from_cim import from_cim  # noqa: PLC0415 -- see above

    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not files:
        raise _Unreadable("no XML files there")
    if any(_names_cim100(file) for file in files):
        raise _Unreadable("CGMES 3.0 cannot be read; export it as CGMES 2.4.15")
    return from_cim(file_list=[str(file) for file in files], ignore_errors=False)


class _Unreadable(Exception):
    """Says in words why a source cannot be read."""


def _names_cim100(path: Path) -> bool:
    """Tell whether a file is of CGMES 3: its namespace says so in its first lines."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            heads = [archive.open(name).read(4096) for name in archive.namelist()]
    else:
        with path.open("rb") as file:
            heads = [file.read(4096)]
    return any(b"CIM100" in head for head in heads)


def _bad(source: str, what: str) -> Rejected:
    remedy = "see docs/grid.md for what can be imported"
    return Rejected(what, where=source, remedy=remedy, reason="bad_source")
