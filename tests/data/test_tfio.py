"""The in-graph reader; its native part is tested in an environment with TensorFlow 2.16."""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from keras_mmdense.errors import InputError
from keras_mmdense.stems import STEMS

RATE = 44100
STARTS = [0, 777, 200_000, 529_000]
CODINGS = {"a.wav": "PCM_16", "b.wav": "PCM_24", "c.wav": "FLOAT", "d.flac": "PCM_16"}
CODINGS |= {"e.flac": "PCM_24"}
LENGTHS = (5000, 15000)
PAIRS = [(index % 8, 97 * index % 4900) for index in range(800)]


class Bucket(http.server.SimpleHTTPRequestHandler):
    """Serves files as an S3 bucket does: whole, in parts, and their lengths."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(lambda data: None)

    def do_GET(self):
        self._answer(self.wfile.write)

    def _answer(self, write):
        path = Path(self.directory) / self.path.lstrip("/").partition("?")[0]
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data, status = path.read_bytes(), 200
        part = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if part:
            first, last = int(part[1]), min(int(part[2] or len(data)), len(data) - 1)
            status, total = 206, len(data)
            data = data[first : last + 1]
        self.send_response(status)
        if part:
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.send_header("ETag", '"1"')
        self.end_headers()
        write(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, stems_root):
    """Real music in every coding, and songs whose samples say where they come from."""
    folder = tmp_path_factory.mktemp("bucket")
    span = {"start": 60 * RATE, "frames": 12 * RATE}
    music = soundfile.read(stems_root / "Lithium" / "vocals.ogg", **span)[0]
    for name, subtype in CODINGS.items():
        soundfile.write(folder / name, music, RATE, subtype=subtype)
    soundfile.write(folder / "slow.wav", music[:100], 22050)
    (folder / "words.wav").write_text(100 * "words ")
    for song, samples in enumerate(LENGTHS):
        place = np.arange(samples)
        for stem, name in enumerate(STEMS):
            audio = np.stack([place // 256, 256 * (song * 4 + stem) + place % 256], axis=1)
            soundfile.write(folder / f"{song}-{name}.flac", audio.astype("int16"), RATE)
    return folder


@pytest.fixture(scope="module")
def read(folder):
    """What the reader gives in the environment with TensorFlow 2.16."""
    python = os.environ.get("KERAS_MMDENSE_TF216")
    if not python:
        pytest.skip("KERAS_MMDENSE_TF216 names no interpreter with TensorFlow 2.16 and its io")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Bucket, directory=folder.parent)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    songs = [{stem: f"{folder}/{song}-{stem}.flac" for stem in STEMS} for song in (0, 1)]
    task = {
        "files": {name: (f"{folder}/{name}", STARTS, 1000) for name in CODINGS}
        | {f"s3 {name}": (f"s3://{folder.name}/{name}", STARTS, 1000) for name in CODINGS},
        "random": {name: (songs, 100, seed, 150) for name, seed in (("one", 1), ("two", 2))}
        | {"one again": (songs, 100, 1, 20)},
        "parallel": {"parallel": ([song[stem] for song in songs for stem in STEMS], PAIRS, 50)},
        "errors": {
            name: [f"{folder}/{file}" for file in files]
            for name, files in {
                "none": ["none.wav"],
                "words": ["words.wav"],
                "rate": ["a.wav", "slow.wav"],
                "coding": ["a.wav", "c.wav"],
            }.items()
        },
        "output": str(folder / "read.npz"),
    }
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "S3_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }
    command = [python, str(Path(__file__).with_name("read_chunks.py")), json.dumps(task)]
    run = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    server.shutdown()
    assert run.returncode == 0, run.stderr
    return np.load(folder / "read.npz")


@pytest.mark.parametrize("place", ["", "s3 "])
@pytest.mark.parametrize("name", CODINGS)
def test_chunks_are_what_soundfile_reads(read, folder, name, place):
    assert str(read["tensorflow"]).startswith("2.16.")
    chunks, header = read[place + name], read[f"{place}{name} header"]
    assert header.tolist() == [RATE, 2, 12 * RATE] and chunks.dtype == np.float32
    for start, chunk in zip(STARTS, chunks, strict=True):
        expected = soundfile.read(folder / name, start=start, frames=1000, dtype="float32")[0]
        np.testing.assert_array_equal(chunk[: len(expected)], expected)
        assert not chunk[len(expected) :].any()
    assert len(expected) == 200 and np.abs(chunks[2]).max() > 0.01


def test_random_chunks_are_pieces_of_their_stems(read):
    chunks = np.rint(read["one"] * 2**15).astype(int)
    assert chunks.shape == (150, 4, 100, 2)
    song, stem = np.divmod(chunks[:, :, 0, 1] // 256, 4)
    assert (stem == np.arange(4)).all()
    place = chunks[..., 0] * 256 + chunks[..., 1] % 256
    np.testing.assert_array_equal(np.diff(place, axis=2), 1)
    assert song.mean() == pytest.approx(0.75, abs=0.06)
    assert ((song[:, :1] != song).any(axis=1)).mean() > 0.5
    for index, samples in enumerate(LENGTHS):
        starts = place[..., 0][song == index]
        assert starts.min() < 0.1 * samples and 0.85 * samples < starts.max() <= samples - 100


def test_random_chunks_depend_on_the_seed_alone(read):
    np.testing.assert_array_equal(read["one again"], read["one"][:20])
    assert not np.array_equal(read["two"], read["one"])


def test_chunks_that_are_read_at_once_are_not_mixed_up(read):
    chunks = np.rint(read["parallel"] * 2**15).astype(int)
    files, starts = np.transpose(PAIRS)
    np.testing.assert_array_equal(chunks[:, 0, 1] // 256, files)
    place = chunks[..., 0] * 256 + chunks[..., 1] % 256
    np.testing.assert_array_equal(place, starts[:, None] + np.arange(50))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none", r"none\.wav: .*No such file"),
        ("words", r"words\.wav: not a WAV or FLAC file that can be read: unknown file type"),
        ("rate", r"slow\.wav: 22050 Hz, 2 channel\(s\), int16; expected 44100 Hz, 2, int16"),
        ("coding", r"c\.wav: 44100 Hz, 2 channel\(s\), float32; expected 44100 Hz, 2, int16"),
    ],
)
def test_files_that_do_not_fit_are_named_in_one_line(read, name, message):
    assert re.search(message, str(read[name])) and "\n" not in str(read[name])


def test_no_tensorflow_io_is_said_in_one_line(monkeypatch):
    from keras_mmdense.data.tfio import ChunkReader

    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(InputError, match=r'^[^\n]*pip install "keras-mmdense\[io\]"$'):
        ChunkReader(["song.wav"], 10)


def test_a_native_part_that_does_not_load_is_said_in_one_line():
    pytest.importorskip("tensorflow_io", reason="tensorflow-io is not installed")
    import tensorflow as tf

    from keras_mmdense.data.tfio import ChunkReader

    if tf.__version__.startswith("2.16."):
        pytest.skip("the native part of tensorflow-io loads with TensorFlow 2.16")
    message = rf"^[^\n]*does not load with TensorFlow {re.escape(tf.__version__)}; it needs [^\n]*$"
    with pytest.raises(InputError, match=message):
        ChunkReader(["song.wav"], 10)
