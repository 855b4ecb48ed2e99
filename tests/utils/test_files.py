"""Files that are whole or absent, and JSON from anywhere."""

import errno
import json
import os

import pytest

from keras_mmdense.errors import InputError
from keras_mmdense.utils import files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON"),
        (b"[1]", "expected a JSON object, found list"),
        (b"\xff\xfe", "not JSON: 'utf-8'"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b'{"a":' * 100_000, "not JSON: nested too deeply"),
        (None, "No such file"),
    ],
)
def test_json_that_cannot_be_read_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        files.read_json(tmp_path / "a.json")


def test_json_is_read_up_to_a_size(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps({"a": "é" * 100}))
    assert files.read_json(tmp_path / "a.json") == {"a": "é" * 100}
    monkeypatch.setattr(files, "MAX_JSON", 100)
    with pytest.raises(InputError, match="larger than"):
        files.read_json(tmp_path / "a.json")


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="is a folder, expected"), files.replacing(tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_full_disk_is_told_in_one_line_and_keeps_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(InputError, match="a: cannot be written: No space left"),
        files.replacing(tmp_path / "a"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def export(folder, **options):
    with files.replacing_folder(folder, "mark", **options) as partial:
        (partial / "mark").write_text("new")


def test_an_export_keeps_what_is_of_no_export(tmp_path):
    folder = tmp_path / "a"
    export(folder, known=("mark",))
    export(folder, known=("mark",))
    (folder / "notes.txt").touch()
    with pytest.raises(InputError, match=r"notes\.txt: is not part of an export"):
        export(folder, known=("mark",))
    assert sorted(path.name for path in folder.iterdir()) == ["mark", "notes.txt"]


def test_an_export_goes_where_a_link_leads(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    export(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "mark").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (".", tmp_path):
        with pytest.raises(InputError, match="name a folder in it"):
            export(name)
    assert not list(tmp_path.iterdir())
