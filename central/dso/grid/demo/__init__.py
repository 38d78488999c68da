"""The demo grid of the package: a primary substation in Rome with two feeders and their houses."""

from importlib.resources import as_file, files

from central.dso.grid.file import read_grid
from central.dso.grid.model import Grid

FILE = "rome.grid.json"


def demo_grid() -> Grid:
    """Return the grid that the package ships; `building` says how it was made."""
    with as_file(files(__name__)) as folder:
        return read_grid(folder / FILE)
