"""Small data sets in the layouts of the real ones."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from keras_mmdense.stems import STEMS
from keras_mmdense.synthesis.songs import write_songs

STREAMS = ("mixture", "drums", "bass", "other", "vocals")


def write_folder(folder, names=STEMS, samples=2000, rate=44100, suffix=".wav", **lengths):
    """One song as a folder of noise; `lengths` are those of single files."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(folder.name.encode()))
    for name in names:
        audio = rng.uniform(-0.2, 0.2, (lengths.get(name, samples), 2))
        soundfile.write(folder / f"{name}{suffix}", audio, rate)
    return folder


def write_stem_mp4(path, names=STREAMS, samples=8820, rate=44100, **changes):
    """One song as a Native Instruments stem file of sines; `changes` are (samples, rate)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command, maps = ["ffmpeg", "-v", "error", "-y"], []
    for index, name in enumerate(names):
        length, hertz = changes.get(name, (samples, rate))
        source = f"sine=frequency={220 * (index + 1)}:sample_rate={hertz}"
        command += ["-f", "lavfi", "-i", f"{source},atrim=end_sample={length}"]
        maps += ["-map", f"{index}:a"]
    command += [*maps, "-ac", "2", "-c:a", "aac", "-f", "mp4", str(path)]
    subprocess.run(command, check=True)
    return path


def write_dataset(kind, root, songs=3):
    """Songs to train on, and one test song; gives the train songs' files or folders by name."""
    names = [f"Song {index}" for index in range(songs)]
    if kind == "musdb18":
        if not shutil.which("ffmpeg"):
            pytest.skip("writing .stem.mp4 needs ffmpeg on the PATH")
        paths = [root / "train" / f"{name}.stem.mp4" for name in names]
        write_stem_mp4(paths[0])
        (root / "test").mkdir()
        for path in (*paths[1:], root / "test" / "Unseen.stem.mp4"):
            shutil.copy(paths[0], path)
        return paths
    if kind == "synth":
        write_songs(root, 1, 0.05, 7, subset="test")
        return write_songs(root, songs, 0.05, seed=0)
    if kind == "dsd100":
        for subset, index in (("Dev", 50), ("Test", 0)):
            for name in names if subset == "Dev" else ("Unseen",):
                index += 1
                write_folder(root / "Mixtures" / subset / f"{index:03} - {name}", ("mixture",))
                write_folder(root / "Sources" / subset / f"{index:03} - {name}")
        return sorted((root / "Sources" / "Dev").iterdir())
    if kind == "musdb18-hq":
        write_folder(root / "test" / "Unseen", STREAMS)
        return [write_folder(root / "train" / name, STREAMS) for name in names]
    return [write_folder(root / name, suffix=".flac") for name in names]


@pytest.fixture
def dataset(tmp_path):
    """Writes a data set of a kind and gives its root and the paths of its train songs."""

    def write(kind, songs=3, name="set"):
        root = tmp_path / name
        return root, write_dataset(kind, root, songs)

    return write


@pytest.fixture
def song_folder():
    return write_folder


@pytest.fixture
def stem_mp4():
    return write_stem_mp4
