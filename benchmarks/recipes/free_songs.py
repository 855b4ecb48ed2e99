"""Prepare the songs that mdensenet_cws_free was trained on.

    apt install libfluidsynth3 fluid-soundfont-gm musescore-general-soundfont \
        fretsonfire-songs-sectoid
    python benchmarks/recipes/free_songs.py everythingisremixed free

Writes the folders of mdensenet_cws_free_1.json into the second one: `singing` and `beats`, links to
the vocals and the drums of the five songs of Everything is Remixed whose bass and other are not
known, so that each has a level of its own; `lithium`, the complete song in two halves, of which the
second validates; `sectoid`, links to four songs whose guitar is a stem; `fluid` and `musescore`, 60
minutes each that SoundFonts play. Nothing of MUSDB18 is among them.
"""

import argparse
from pathlib import Path

import soundfile

from keras_mmdense.stems import STEMS
from keras_mmdense.synthesis.songs import write_songs

COMPLETE, HALF = "Lithium", 150  # The song with all stems, and the seconds of its first half.
LINKED = {"singing": "vocals", "beats": "drums"}
SECTOID = Path("/usr/share/games/fretsonfire/data/songs/sectoid")
SOUNDFONTS = {
    "fluid": (11, "/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore": (12, "/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
}
SONGS, SECONDS = 60, 60


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("source", type=Path, help="folder of Everything is Remixed")
    parser.add_argument("output", type=Path, help="folder to write to")
    options = parser.parse_args()
    for song in sorted(options.source.iterdir()):
        if song.name == COMPLETE:
            cut(song, options.output / "lithium")
            continue
        for name, stem in LINKED.items():
            link(song / f"{stem}.ogg", options.output / name / song.name)
    for guitar in sorted(SECTOID.glob("*/guitar.ogg")):
        link(guitar, options.output / "sectoid" / guitar.parent.name)
    for name, (seed, soundfont) in SOUNDFONTS.items():
        write_songs(options.output / name, SONGS, SECONDS, seed, soundfont=soundfont)


def link(file, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file.name).symlink_to(file.resolve())


def cut(song, folder):
    for stem in STEMS:
        waveform, rate = soundfile.read(song / f"{stem}.ogg", dtype="float32")
        halves = {"a": waveform[: HALF * rate], "b": waveform[HALF * rate :]}
        for half, part in halves.items():
            path = folder / f"{COMPLETE}-{half}"
            path.mkdir(parents=True, exist_ok=True)
            soundfile.write(path / f"{stem}.wav", part, rate, "PCM_16")


if __name__ == "__main__":
    main()
