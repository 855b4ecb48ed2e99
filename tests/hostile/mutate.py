"""Damage files of one kind at random for some time, and open each.

    python tests/hostile/mutate.py flac song.ogg --seconds 600 --seed 1

Songs are a second of the music given, from 60 s on. Every damaged file must be read, or refused in
one line, within ten seconds of work. Ends with status 1 at the first that is not, and tells where
it lies.
"""

import argparse
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from pathlib import Path

import conftest
import numpy as np
import soundfile
from mutations import damage, damage_json

from keras_mmdense.errors import InputError

SUBTYPES = {
    "wav": ("PCM_16", "PCM_24", "FLOAT", "PCM_U8"),
    "flac": ("PCM_16", "PCM_24"),
    "ogg": ("VORBIS", "OPUS"),
    "mp3": ("MPEG_LAYER_III",),
    "m4a": ("aac", "alac"),
}
START = 60
LIMIT_SECONDS, LIMIT_MEGABYTES = 10, 1024
CHECKPOINT = ((3, 3, 2, 8), (8,), (8, 257))


class TooLong(BaseException):
    """Not an Exception, so that nothing under test takes it for a damaged file."""


def write_songs(folder, kind, music):
    sound, _ = soundfile.read(music, 44100, START * 44100, always_2d=True)
    for subtype in SUBTYPES[kind]:
        path = folder / f"{subtype}.{kind}"
        if kind != "m4a":
            soundfile.write(path, sound, 48000, subtype)
            continue
        options = f"-t 1 -c:a {subtype}".split()
        command = ["ffmpeg", "-v", "error", "-ss", str(START), "-i", music, *options, path]
        subprocess.run(command, check=True)


def song_opener(folder, kind, music):
    """Separate songs with a separator of numpy."""
    from keras_mmdense.audio.output import Output
    from keras_mmdense.separation import batch
    from keras_mmdense.separation.separator import Separator

    write_songs(folder, kind, music)
    separator = Separator.from_function(conftest.thirds, conftest.CARD)

    def opens(path):
        with tempfile.TemporaryDirectory() as out:
            job = batch.Job(separator, Path(out), Output())
            (result,) = job.run([path], lambda name: lambda *_: None, lambda _: None)
            found = {file for file in Path(out).rglob("*") if not file.is_dir()}
            if result.written is None:
                conftest.check_line(result.error.replace(str(path), "SONG"), "refused")
                assert not found, found
                raise InputError(result.error)
            assert found == set(result.written.files.values()), found
            assert len({soundfile.info(file).frames for file in found}) == 1

    return opens


def network_opener(folder, *_):
    """Load a network folder of which network.json is damaged."""
    from keras_mmdense.configs import TABLES
    from keras_mmdense.pretrained.networks import NetworkSpec, load_network, save_network

    whole = Path(tempfile.mkdtemp())
    spec = NetworkSpec(TABLES["tiny"], ("vocals", "drums"))
    save_network(whole, spec, spec.build())
    shutil.copy(whole / "network.json", folder)

    def opens(path):
        shutil.copy(path, whole / "network.json")
        load_network(whole)

    return opens


def card_opener(folder, *_):
    from keras_mmdense.separation.model_card import ModelCard

    (folder / "card.json").write_text(conftest.CARD.to_json())
    return lambda path: ModelCard.from_json(path.read_text("utf-8", "replace"), str(path))


def checkpoint_opener(folder, *_):
    import keras

    from keras_mmdense.training.checkpoint import load_checkpoint, save_checkpoint

    variables = [keras.Variable(np.ones(shape, "float32")) for shape in CHECKPOINT]
    save_checkpoint(folder / "checkpoint.npz", variables, {"epoch": 3})
    return lambda path: load_checkpoint(path, variables)


OPENERS = dict.fromkeys(SUBTYPES, song_opener)
OPENERS |= {"network": network_opener, "card": card_opener, "checkpoint": checkpoint_opener}
TEXTS = ("network", "card")


def stop(*_):
    raise TooLong(f"worked for more than {LIMIT_SECONDS} s")


def mutate(kind, folder, opens, seconds, seed):
    """Return the numbers of files damaged and refused."""
    rng = random.Random(seed)
    whole = [path.read_bytes() for path in sorted(folder.iterdir())]
    case = folder / f"damaged.{kind}"
    tried = refused = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        as_text = kind in TEXTS and rng.random() < 0.7
        case.write_bytes((damage_json if as_text else damage)(rng, rng.choice(whole)))
        tried += 1
        signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
        try:
            opens(case)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error), error
        except BaseException:
            traceback.print_exc()
            raise SystemExit(f"{kind}, seed {seed}: file {tried} fell: {case}") from None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return tried, refused


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=OPENERS)
    parser.add_argument("music", type=Path)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    opens = OPENERS[given.kind](folder, given.kind, given.music)
    signal.signal(signal.SIGPROF, stop)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tried, refused = mutate(given.kind, folder, opens, given.seconds, given.seed)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{given.kind}: {tried} damaged, {refused} refused, none fell, {peak} MB more at most")
    assert peak <= LIMIT_MEGABYTES
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
