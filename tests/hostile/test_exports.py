"""Every network of the zoo in every format: over an older export, to a full disk, killed."""

import functools
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.exporting.saved_model.export import export_saved_model
from keras_mmdense.exporting.tflite.export import export_tflite
from keras_mmdense.pretrained.networks import NetworkSpec, save_network
from keras_mmdense.separation.separator import Separator

SOUND = (0.3 * np.random.default_rng(0).standard_normal((20_000, 2))).astype("float32")
SECONDS = 0.2
FORMATS = {
    "saved_model": None,
    "float32": {},
    "float16": {"quantize": "float16"},
    "dynamic": {"quantize": "dynamic"},
    "int8": {"quantize": "int8", "calibration": [SOUND]},
    "steps": {"steps": True},
}
KILLS = 3
QUICK = ("tiny", "saved_model"), ("tiny", "float32")
CASES = [
    pytest.param(name, kind, marks=() if (name, kind) in QUICK else pytest.mark.hostile)
    for name in sorted(TABLES)
    for kind in FORMATS
]


@pytest.fixture(scope="module")
def zoo(small_table, tmp_path_factory):
    """Folder of a network by its name, made when it is asked for."""
    folder = tmp_path_factory.mktemp("zoo")

    @functools.cache
    def network(name):
        spec = NetworkSpec(small_table(TABLES[name]), ("vocals", "drums"))
        save_network(folder / name, spec, spec.build())
        return folder / name

    return network


def export(network, kind, out):
    if kind == "saved_model":
        export_saved_model([network], out, window=16)
        return out
    out = out.with_suffix(".tflite")
    export_tflite([network], out, seconds=SECONDS, **FORMATS[kind])
    return out


def export_or_none(network, kind, out):
    """Exports; gives the file or folder, or None if this network is refused in one line."""
    try:
        return export(network, kind, out)
    except InputError as error:
        assert "\n" not in str(error) and network.name in str(error), error
        return None


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_whole(target):
    stems = Separator.from_pretrained(target).separate(SOUND, 44100)
    assert {"vocals", "drums"} <= set(stems)
    assert all(np.isfinite(stem).all() and stem.any() for stem in stems.values())


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_full_disk_and_an_older_export(zoo, tmp_path, full_disk, name, kind):
    out = tmp_path / "out"
    target = export_or_none(zoo(name), kind, out)
    before = contents(tmp_path)
    if target is None:
        assert not before
        return
    for size in (0, max(map(len, before.values())) // 2):
        with full_disk(size), pytest.raises(InputError) as caught:
            export(zoo(name), kind, out)
        assert "\n" not in str(caught.value)
        assert contents(tmp_path) == before
    assert export(zoo(name), kind, out) == target
    assert set(contents(tmp_path)) == set(before)
    assert_whole(target)


@pytest.mark.hostile
@pytest.mark.parametrize("kind", FORMATS)
def test_killed_half_way(zoo, tmp_path, kind):
    """One process exports the whole zoo over older exports."""
    start = time.monotonic()
    targets = [export_or_none(zoo(name), kind, tmp_path / name) for name in sorted(TABLES)]
    seconds = time.monotonic() - start
    before, rng = contents(tmp_path), random.Random(kind)
    for _ in range(KILLS):
        arguments = [str(zoo("tiny").parent), kind, str(tmp_path)]
        process = subprocess.Popen([sys.executable, __file__, *arguments])
        time.sleep(rng.uniform(5, 5 + seconds))
        process.kill()
        process.wait()
        for target in filter(None, targets):
            files = [target] if target.is_file() else target.rglob("*.*")
            if any(path.read_bytes() != before.get(path) for path in files if path.is_file()):
                assert_whole(target)
    assert [export_or_none(zoo(name), kind, tmp_path / name) for name in sorted(TABLES)] == targets


if __name__ == "__main__":
    for name in sorted(TABLES):
        export_or_none(Path(sys.argv[1]) / name, sys.argv[2], Path(sys.argv[3]) / name)
