"""export web and serve: what they write and send, and what they refuse."""

import json
import sys
import urllib.request

import pytest

from keras_mmdense.cli import main
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.web.export import export_web
from keras_mmdense.exporting.web.server import HEADERS, open_server
from keras_mmdense.separation.separator import Separator


@pytest.fixture
def stand_in(tmp_path):
    """A folder in the place of the built page."""
    page = tmp_path / "dist"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<h1>Stems</h1>")
    (page / "assets" / "index-123.js").write_text("1")
    return page


def test_the_folder_is_complete(tiny_file, stand_in, tmp_path):
    out = tmp_path / "site"
    assert export_web([tiny_file], out, stand_in)
    model = json.loads((out / "model.json").read_text())["model"]
    assert (out / model).read_bytes() == tiny_file.read_bytes()
    assert (out / "assets" / "index-123.js").is_file()
    headers = (out / "_headers").read_text()
    assert headers.startswith("/*\n  Cross-Origin-Opener-Policy: same-origin\n")
    assert {path.name for path in out.iterdir()} == {
        *("index.html", "assets", "model.json", "_headers", model)
    }


def test_an_older_export_is_replaced_and_nothing_else(tiny_file, stand_in, tmp_path):
    out = tmp_path / "site"
    export_web([tiny_file], out, stand_in)
    before = (out / "model.json").read_text()
    (out / "index.html").unlink()
    export_web([tiny_file], out, stand_in)
    assert (out / "index.html").exists() and (out / "model.json").read_text() == before
    for name in (".git", "thesis.txt"):
        (out / name).touch()
        with pytest.raises(InputError, match=f"{name}: is not part of an export"):
            export_web([tiny_file], out, stand_in)
        (out / name).unlink()
    for content in ('{"format": "graph-model"}', '{"model": "../x.tflite"}', "[]"):
        (out / "model.json").write_text(content)
        with pytest.raises(InputError, match="model.json: "):
            export_web([tiny_file], out, stand_in)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.txt").touch()
    with pytest.raises(InputError, match="exists and is not an exported model"):
        export_web([tiny_file], tmp_path / "mine", stand_in)


def test_networks_are_exported(tiny_file, stand_in, tmp_path):
    out = tmp_path / "site"
    export_web([tiny_file.with_suffix("")], out, stand_in)
    (model,) = out.glob("model-*.tflite")
    assert (
        Separator.from_pretrained(model).card.stems
        == Separator.from_pretrained(tiny_file).card.stems
    )
    assert not (out / "model.tflite").exists()


def test_without_a_build_the_command_says_how_to_make_one(tiny_file, tmp_path, monkeypatch, capsys):
    from keras_mmdense.exporting.web import export

    out = tmp_path / "site"
    monkeypatch.setattr(export, "PAGE", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["keras-mmdense", "export", "web", str(tiny_file), str(out)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert "(cd export/web && npm ci && npm run build)" in capsys.readouterr().out
    assert (out / "model.json").is_file()


def test_an_installed_package_takes_the_page_of_the_checkout(
    tiny_file, stand_in, tmp_path, monkeypatch
):
    from keras_mmdense.exporting.web import export

    (tmp_path / "export" / "web").mkdir(parents=True)
    stand_in.rename(tmp_path / "export" / "web" / "dist")
    monkeypatch.setattr(export, "PAGE", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    assert export_web([tiny_file], tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "<h1>Stems</h1>"


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no such file"),
        (b"not a model", "not a .tflite file"),
        (b"\0\0\0\xffTFL3\0\0\0\0", "a damaged .tflite file"),
    ],
)
def test_bad_files_are_refused(stand_in, tmp_path, content, message):
    path, out = tmp_path / "bad.tflite", tmp_path / "site"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        export_web([path], out, stand_in)
    assert not out.exists()


@pytest.mark.parametrize("option", ["network_only", "resizable"])
def test_graphs_that_the_page_cannot_run_are_refused(tiny_file, stand_in, tmp_path, option):
    from keras_mmdense.exporting.tflite.export import export_tflite

    file = tmp_path / "other.tflite"
    export_tflite([tiny_file.with_suffix("")], file, seconds=1, **{option: True})
    with pytest.raises(InputError, match="expected a graph from waveforms"):
        export_web([file], tmp_path / "site", stand_in)


def test_the_server_sends_the_headers(tiny_site, serving):
    with serving(tiny_site) as url, urllib.request.urlopen(url) as answer:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    with serving(tiny_site) as url:
        (wasm,) = tiny_site.glob("runtime/*/litert_wasm_internal.wasm")
        address = url + str(wasm.relative_to(tiny_site))
        with urllib.request.urlopen(address) as answer:
            assert answer.headers["Content-Type"] == "application/wasm"


def test_serve_refuses_what_is_no_page(tiny_file, stand_in, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["keras-mmdense", "serve", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("keras-mmdense: error: ") and "index.html" in error
    export_web([tiny_file], tmp_path / "site", stand_in)
    with open_server(tmp_path / "site", 0) as server, pytest.raises(InputError, match="port"):
        open_server(tmp_path / "site", server.server_address[1])
