"""What the documents point at is there: links, commands with their flags, make targets."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from ledger.command import main
from tests.architecture.tree import ROOT, texts

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]+`")
COMMAND = re.compile(r"(?:^|[\s`$(])(certiflex [^`#|;&>\n]+)", re.MULTILINE)
MODULE_COMMAND = re.compile(r"python -m (lightnode|gateway|ledger|hil|central)\b([^`#|;&>\n]*)")
MAKE = re.compile(r"(?:^|[`$]\s?)make ((?:[A-Z]+=\S+ )*)([a-z]+)", re.MULTILINE)
WORD = re.compile(r"[a-z][a-z-]*")


def documents() -> tuple[tuple[Path, str], ...]:
    """Return every document of the repository."""
    return texts(".md")


def code_of(text: str) -> str:
    """Return the code of a document, blocks and inline, one piece a line."""
    blocks = FENCE.findall(text)
    return "\n".join([*blocks, *INLINE.findall(FENCE.sub("", text))])


def anchors(text: str) -> set[str]:
    """Return the anchors a renderer makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def broken_links(path: Path, text: str) -> list[str]:
    """Return the links to files or headings that are not there; the web is not asked."""
    broken = []
    for target in (first or second for first, second in LINK.findall(INLINE.sub("", text))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, heading = target.partition("#")
        aimed = (path.parent / name).resolve() if name else path
        if not aimed.exists() or (heading and heading not in anchors(aimed.read_text())):
            broken.append(target)
    return broken


def commands(text: str) -> set[str]:
    """Return the command lines of `certiflex` in the code of a document."""
    code = code_of(text).replace("\\\n", " ")
    found = {one.strip() for one in COMMAND.findall(code)}
    found |= {f"certiflex {name}{rest}".strip() for name, rest in MODULE_COMMAND.findall(code)}
    return {one for one in found if "…" not in one.split()[1:2]}


def verbs(command: str) -> list[str]:
    """Return the leading words of a command line, which name a program and its verb."""
    words: list[str] = []
    for word in command.split()[1:]:
        if not WORD.fullmatch(word):
            break
        words.append(word)
    return words


def help_of(words: list[str]) -> str | None:
    """Return what `certiflex WORDS --help` prints, or None if there is no such command."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main([*words, "--help"])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    return told.getvalue() if status == 0 else None


def unknown(command: str) -> str | None:
    """Return what is wrong with a documented command line, or None."""
    words = verbs(command)
    told = help_of(words)
    if told is None:
        return f"`{command}`: no such command"
    usage = told.split("\n\n")[0]
    if words and not usage.split("[")[0].strip().endswith(words[-1]):
        return f"`{command}`: {words[-1]!r} is no command of its own"
    flags = re.findall(r"(?<!\S)(--[a-z-]+)", command)
    missing = [flag for flag in flags if flag != "--help" and flag not in told]
    return f"`{command}`: no flag {', '.join(missing)}" if missing else None


def make_targets() -> set[str]:
    """Return what the Makefile can make."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_links_lead_somewhere() -> None:
    count = sum(len(LINK.findall(text)) for _, text in documents())
    assert count >= 20, "no links were found"
    found = {
        str(path.relative_to(ROOT)): b for path, t in documents() if (b := broken_links(path, t))
    }
    assert not found


def test_documented_commands_exist() -> None:
    named = sorted({(str(p.relative_to(ROOT)), one) for p, t in documents() for one in commands(t)})
    assert len(named) >= 10, "no commands were found"
    wrong = [f"{path}: {fault}" for path, one in named if (fault := unknown(one))]
    assert not wrong, "\n".join(wrong)


def test_documented_make_targets_exist() -> None:
    named = {target for _, text in documents() for _, target in MAKE.findall(code_of(text))}
    assert {"demo", "test", "check"} <= named, "no targets were found"
    assert named <= make_targets()


@pytest.mark.parametrize("program", ["lightnode", "gateway", "ledger", "hil", "central"])
def test_every_program_answers_to_help(program: str) -> None:
    told = help_of([program])
    assert told is not None
    assert f"certiflex {program}" in told


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_broken_links_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](#one-thing) [b](#other) [c](page.md#one-thing) [d](none.md)")
    assert broken_links(page, page.read_text()) == ["#other", "none.md"]


def test_wrong_commands_are_seen() -> None:
    text = "```sh\ncertiflex ledger fly --wings\n```\nand `python -m hil` and prose certiflex x"
    assert commands(text) == {"certiflex ledger fly --wings", "certiflex hil"}
    assert (
        unknown("certiflex ledger fly --wings") == "`certiflex ledger fly --wings`: no such command"
    )
    assert "no flag --wings" in (unknown("certiflex ledger --wings") or "")
    assert unknown("certiflex ledger --version") is None
