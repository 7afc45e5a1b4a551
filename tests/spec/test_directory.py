"""Compiled rules in a directory: written whole or not at all, and compared with what should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.small_spec import Edit, loaded
from ttrules.errors import SpecError
from ttrules.matrix import Matrix, Process
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas
from ttrules.spec.directory import differences, files_of, publish

NAMES = ["book.json", "box-add.json", "letter-add.json", "letter-change.json"]
FEWER = (
    Edit("requirements", "Letter Change, Box Add]", "Letter Change]"),
    Edit("interpretation", "    Box Add: {operation: add, value: box}\n", ""),
)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Give the compiled files of a small spec."""
    return files_of(loaded(tmp_path))


@pytest.fixture
def fewer(tmp_path: Path) -> dict[str, bytes]:
    """Give those of the same spec less a process."""
    cells = [
        "kind: [R, O, R]",
        "state: [P, O, P]",
        "label: [O, O, O]",
        'weight: ["-", "-", R]',
        "size: [O, O, R]",
        "stops: [O, O, O]",
        "width: [R, R, R]",
        "height: [O, O, O]",
        "place: [R, R, R]",
        "code: [PD, PD, O]",
        "sign: [PD, PD, O]",
    ]
    edits = [Edit("requirements", row, row.rpartition(",")[0] + "]") for row in cells]
    return files_of(loaded(tmp_path, *FEWER, *edits))


def held(folder: Path) -> dict[str, bytes]:
    """Return the files of a directory by name."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


class TestPublish:
    """A directory of rules holds the book and a schema a process."""

    def test_new(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """A directory is made, parents and all, and what was written is told."""
        out = tmp_path / "a" / "b"
        assert sorted(publish(files, str(out))) == NAMES
        assert held(out) == files

    def test_again(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """What is there already is not written again, and what differs is."""
        out = tmp_path / "out"
        publish(files, str(out))
        assert publish(files, str(out)) == []
        (out / "box-add.json").write_bytes(b"{}")
        assert publish(files, str(out)) == ["box-add.json"]
        assert held(out) == files

    def test_other_files(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """What else lies in the directory is left alone."""
        out = tmp_path / "out"
        out.mkdir()
        (out / "README").write_bytes(b"mine")
        publish(files, str(out))
        assert held(out) == {**files, "README": b"mine"}

    def test_process_gone(
        self, files: dict[str, bytes], fewer: dict[str, bytes], tmp_path: Path
    ) -> None:
        """The schema of a process that is gone is removed, and that is told."""
        out = tmp_path / "out"
        publish(files, str(out))
        assert sorted(publish(fewer, str(out))) == ["book.json", "box-add.json"] + [
            name for name in NAMES[2:] if files[name] != fewer[name]
        ]
        assert held(out) == fewer
        assert len(fewer) == len(files) - 1

    @pytest.mark.parametrize("name", ["../keep", "keep/../../keep", "Keep", "/{}/keep"])
    def test_book_of_somebody_else(
        self, name: str, files: dict[str, bytes], tmp_path: Path
    ) -> None:
        """A book that names files which are no schemas of it does not get them removed."""
        out = tmp_path / "out"
        out.mkdir()
        (out / "keep").mkdir()
        for kept in (tmp_path / "keep.json", out / "Keep.json"):
            kept.write_bytes(b"mine")
        slug = name.format(tmp_path)
        (out / "book.json").write_text(json.dumps({"processes": [{"slug": slug}]}), "utf-8")
        assert sorted(publish(files, str(out))) == NAMES
        assert (tmp_path / "keep.json").read_bytes() == b"mine"
        assert (out / "Keep.json").read_bytes() == b"mine"

    @pytest.mark.parametrize(
        "book",
        [
            b"",
            b"\xff",
            b"[]",
            b"{}",
            b"1",
            b'{"processes": 1}',
            b'{"processes": [{}]}',
            b'{"processes": [1]}',
            b'{"processes": [{"slug": 1}]}',
            b'{"processes": [[]]}',
        ],
    )
    def test_book_that_is_none(self, book: bytes, files: dict[str, bytes], tmp_path: Path) -> None:
        """Whatever stands under the book's name is replaced."""
        out = tmp_path / "out"
        out.mkdir()
        (out / "book.json").write_bytes(book)
        publish(files, str(out))
        assert held(out) == files


class TestFailure:
    """Where the files cannot be written the directory is as it was."""

    def test_directory_in_the_way(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """A directory under the name of a file is not replaced, nor is anything else."""
        out = tmp_path / "out"
        publish(files, str(out))
        (out / "box-add.json").unlink()
        (out / "box-add.json").mkdir()
        (out / "book.json").write_bytes(b"old")
        with pytest.raises(IsADirectoryError):
            publish(files, str(out))
        assert sorted(each.name for each in out.iterdir()) == NAMES
        assert (out / "book.json").read_bytes() == b"old"

    def test_full_disk(
        self, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What cannot be flushed leaves nothing behind, not even a directory that was made."""

        def full(_file: int) -> None:
            """Refuse as a full disk does."""
            raise OSError(28, "No space left on device")

        out = tmp_path / "out"
        publish(files, str(out))
        (out / "book.json").write_bytes(b"old")
        before = held(out)
        monkeypatch.setattr("os.fsync", full)
        for folder in (out, tmp_path / "new"):
            with pytest.raises(OSError, match="No space"):
                publish(files, str(folder))
        assert held(out) == before
        assert not (tmp_path / "new").exists()

    def test_no_right(
        self, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where no file may be made that is what is told, and nothing is left behind."""

        def denied(*_args: object, **_more: object) -> None:
            """Refuse as a directory of somebody else does."""
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
        with pytest.raises(PermissionError):
            publish(files, str(tmp_path / "new"))
        assert not (tmp_path / "new").exists()

    def test_file_in_the_way(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """A file is no directory."""
        (tmp_path / "out").write_bytes(b"mine")
        with pytest.raises(OSError, match="exists"):
            publish(files, str(tmp_path / "out"))
        assert (tmp_path / "out").read_bytes() == b"mine"

    def test_book_last(
        self, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The book is written last, so the schemas that it names exist when it is read."""
        replaced: list[str] = []
        replace = Path.replace

        def noted(self: Path, target: Path) -> Path:
            """Put a file in its place, and note it."""
            replaced.append(target.name)
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", noted)
        publish(files, str(tmp_path / "out"))
        assert sorted(replaced) == NAMES
        assert replaced[-1] == "book.json"


class TestDifferences:
    """What is not as it should be in a directory is told by file, and nothing is written."""

    def test_told(self, files: dict[str, bytes], fewer: dict[str, bytes], tmp_path: Path) -> None:
        """A file that differs, one that is missing, and one too many."""
        out = tmp_path / "out"
        publish(files, str(out))
        assert differences(files, str(out)) == {}
        (out / "letter-add.json").unlink()
        told = differences(fewer, str(out))
        before = held(out)
        assert {
            "book.json": "differs",
            "box-add.json": "belongs to no process any more",
        }.items() <= (told.items())
        assert told["letter-add.json"].startswith("cannot be read")
        assert held(out) == before

    def test_no_directory(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """Where there is no directory every file is missing, and none is made."""
        assert sorted(differences(files, str(tmp_path / "out"))) == NAMES
        assert not (tmp_path / "out").exists()


class TestFiles:
    """The files of a spec."""

    def test_names(self, files: dict[str, bytes]) -> None:
        """A schema a process, under its short form, and the book."""
        assert sorted(files) == NAMES

    def test_read_back(self, files: dict[str, bytes], tmp_path: Path) -> None:
        """What is read back is what was compiled."""
        publish(files, str(tmp_path / "out"))
        book, spec = Rulebook.read(tmp_path / "out"), loaded(tmp_path)
        assert book.matrix == spec
        assert book.schemas == compile_schemas(spec)

    def test_process_called_book(self, tmp_path: Path) -> None:
        """No schema takes the place of the book, however the Matrix came to be."""
        spec = loaded(tmp_path)
        values: dict[str, Any] = {name: getattr(spec, name) for name in Matrix.__slots__}
        (process, *others) = spec.processes
        book = Process(name=process.name, slug="book", operation=None)
        with pytest.raises(SpecError) as caught:
            files_of(Matrix(**{**values, "processes": (book, *others)}))
        assert [each.file for each in caught.value.problems] == [spec.source]
