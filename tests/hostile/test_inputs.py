"""Songs from strangers: each is separated whole, or refused in one line that leaves nothing."""

import os
import socket

import numpy as np
import pytest
import soundfile

RATE, WINDOW = 8000, 1024


def noise(samples, channels=2):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (samples, channels))


def write(path, samples=3000, rate=RATE, **options):
    sound = samples if isinstance(samples, np.ndarray) else noise(samples)
    soundfile.write(os.fsencode(path), sound, rate, **options)
    return path


def whole(result, shape):
    """Whether the stems have the song's shape and sum to it."""
    stems = [
        soundfile.read(os.fsencode(x), always_2d=True)[0] for x in result.written.files.values()
    ]
    assert {stem.shape for stem in stems} == {shape}
    return sum(stems)


LENGTHS = {0: "holds no samples"} | dict.fromkeys(
    (1, 2, 3, 127, 128, 255, 256, 1023, 1024, 1025, 1279, 1280, 1281, 2048, 2049, 5000), "separated"
)


@pytest.mark.parametrize(("samples", "outcome"), LENGTHS.items())
def test_lengths(tmp_path, hold, samples, outcome):
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    result = hold(path, outcome)
    if samples:
        np.testing.assert_allclose(whole(result, (samples, 2)), noise(samples), atol=1e-6)


RATES = dict.fromkeys((1, 10, 100, 999, 768_001, 2**31 - 1), "sample rate must lie between")
RATES |= dict.fromkeys((1000, 8000, 11025, 16000, 22050, 32000, 44100, 48000), "separated")
RATES |= dict.fromkeys((88200, 96000, 176_400, 192_000, 768_000), "separated")


@pytest.mark.parametrize(("rate", "outcome"), RATES.items())
def test_rates(tmp_path, hold, rate, outcome):
    result = hold(write(tmp_path / "a.wav", 2000, rate), outcome)
    if outcome == "separated":
        whole(result, (2000, 2))


CHANNELS = dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 64), "separated")
CHANNELS |= dict.fromkeys((65, 1000), "expected from 1 to 64 channels")


@pytest.mark.parametrize(("channels", "outcome"), CHANNELS.items())
def test_channels(tmp_path, hold, channels, outcome):
    result = hold(write(tmp_path / "a.wav", noise(1500, channels)), outcome)
    if outcome == "separated":
        whole(result, (1500, channels))


SAMPLES = [
    *(("wav", x) for x in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")),
    *(("flac", x) for x in ("PCM_S8", "PCM_16", "PCM_24")),
    *(("aiff", x) for x in ("PCM_16", "FLOAT")),
    *(("caf", x) for x in ("PCM_16", "ALAC_16")),
    *(("w64", x) for x in ("PCM_16", "DOUBLE")),
    ("ogg", "VORBIS"),
    ("ogg", "OPUS"),
    ("mp3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize(("kind", "subtype"), SAMPLES)
def test_sample_formats(tmp_path, hold, kind, subtype):
    result = hold(write(tmp_path / f"a.{kind}", subtype=subtype), "separated")
    whole(result, (3000, 2))


VALUES = {
    "beyond 1": (4.0, "separated"),
    "denormal": (1e-42, "separated"),
    "silence": (0.0, "separated"),
    "loud": (1e18, "separated"),
    "largest": (3e38, "either"),
    "nan": (np.nan, "sample 0 is not a finite number"),
    "infinite": (np.inf, "sample 0 is not a finite number"),
}


@pytest.mark.parametrize(("value", "outcome"), VALUES.values(), ids=VALUES)
def test_values(tmp_path, hold, value, outcome):
    path = write(tmp_path / "a.wav", np.full((3000, 2), value), subtype="FLOAT")
    result = hold(path, outcome)
    if result.written:
        assert np.isfinite(whole(result, (3000, 2))).all()


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


MUTATIONS = {
    "cut in half": (lambda data: data[: len(data) // 2], "refused"),
    "cut by a tenth": (lambda data: data[: len(data) * 9 // 10], "refused"),
    "cut by a byte": (lambda data: data[:-1], "either"),
    "header only": (lambda data: data[:44], "refused"),
    "four bytes": (lambda data: data[:4], "refused"),
    "first byte flipped": (lambda data: flip(data, 0), "either"),
    "a header's byte flipped": (lambda data: flip(data, 22), "either"),
    "another one": (lambda data: flip(data, 34), "either"),
    "middle flipped": (lambda data: flip(data, len(data) // 2), "either"),
    "hole": (
        lambda data: data[: len(data) // 2] + bytes(500) + data[len(data) // 2 + 500 :],
        "either",
    ),
    "all zeros": (lambda data: bytes(len(data)), "refused"),
    "twice": (lambda data: data + data, "either"),
    "words behind": (lambda data: data + b"these are words " * 20, "either"),
}
KINDS = {
    "wav": {},
    "flac": {},
    "aiff": {},
    "caf": {},
    "w64": {},
    "ogg": {},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {},
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_mutations(tmp_path, hold, kind, mutation):
    change, outcome = MUTATIONS[mutation]
    path = write(tmp_path / f"a.{kind}", 16000, **KINDS[kind])
    path.write_bytes(change(path.read_bytes()))
    hold(path, outcome)


NAMES = {
    "newline": b"a\nb.wav",
    "dash": b"-rf.wav",
    "long": b"n" * 240 + b".wav",
    "not UTF-8": b"caf\xe9.wav",
    "braces": b"{song}{0}{.wav",
    "percent": b"%s%n%00.wav",
    "quotes": b"'\"`$(reboot)`.wav",
    "backslash": b"..\\..\\a.wav",
    "markup": b"[red]a[bold] :cd:.wav",
    "spaces": b"  a  .wav",
    "dots": b"a...wav",
    "two dots": b"...wav",
    "device": b"CON.wav",
    "emoji": "🎵.wav".encode(),
    "right to left": "\u202egnos.wav".encode(),
    "escape": b"\x1b[2J.wav",
    "colon": b"12:30.wav",
    "no stem": b"..stem.wav",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names(tmp_path, hold, name):
    path = tmp_path / os.fsdecode(name)
    result = hold(write(path, format="WAV"), "separated")
    for file in result.written.files.values():
        assert (tmp_path / "out") in file.parents and ".." not in file.parts


def folder(path):
    path.mkdir()


def listen(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


PLACES = {
    "missing": (lambda path: None, "no such file"),
    "folder": (folder, "no such file"),
    "loop": (lambda path: path.symlink_to(path), "refused"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "pipe": (os.mkfifo, "no such file"),
    "socket": (listen, "no such file"),
    "zeros": (lambda path: path.symlink_to("/dev/zero"), "no such file"),
    "null": (lambda path: path.symlink_to("/dev/null"), "no such file"),
    "empty": (lambda path: path.touch(), "the file is empty"),
    "words": (lambda path: path.write_text("words\n" * 99), "not an audio file"),
    "page": (lambda path: path.write_text("<script>alert(1)</script>" * 9), "not an audio file"),
    "itself": (
        lambda path: path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" * 99),
        "not an audio file",
    ),
    "flac": (lambda path: write(path, format="FLAC"), "separated"),
    "mp3": (lambda path: write(path, format="MP3"), "separated"),
    "raw": (lambda path: write(path, format="RAW", subtype="PCM_16"), "refused"),
}


@pytest.mark.parametrize(("make", "outcome"), PLACES.values(), ids=PLACES)
def test_what_is_called_a_song(tmp_path, hold, make, outcome):
    make(tmp_path / "a.wav")
    hold(tmp_path / "a.wav", outcome)


def shrink(path):
    os.truncate(path, path.stat().st_size // 2)


def grow(path):
    with path.open("ab") as file:
        file.write(bytes(4000))


CHANGES = {"shrinks": (shrink, "refused"), "grows": (grow, "separated")}
CHANGES |= {
    "is deleted": (os.unlink, "either"),
    "is emptied": (lambda x: os.truncate(x, 0), "refused"),
}


@pytest.mark.parametrize(("change", "outcome"), CHANGES.values(), ids=CHANGES)
def test_files_that_change_while_they_are_read(tmp_path, hold, change, outcome):
    path, changes = write(tmp_path / "a.wav", 200_000), [change]

    def progress(done, total):
        while changes:
            changes.pop()(path)

    result = hold(path, outcome, progress=progress)
    assert not changes
    if result.written:
        whole(result, (200_000, 2))
