"""The commands and Python blocks of README, docs and export/: options exist, and all of it runs."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import typer

from keras_mmdense.cli import app

HOME = Path(__file__).parents[2]
DOCUMENTS = [
    *(HOME / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for path in (HOME / "docs").rglob("*.md") if path.parent.name != "tutorials"),
    *(HOME / "export" / name / "README.md" for name in ("", "web", "mobile")),
]
COMMAND = [sys.executable, "-c", "from keras_mmdense.cli import main; main()"]
SMALL = {"epochs": 1, "steps": 2, "batch": 1, "frames": 64}
SMALL_OPTIONS = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
# One has a test of its own, one compares runs of hours, and one is made from the help texts. Cards
# tell how their networks were trained.
OTHERS = ("own_network.md", "ablations.md", "cli.md")
RATE = 44100


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), flags=re.M | re.S)


def commands(path):
    """Words of every line of a document's shell blocks that calls the command."""
    for block in blocks(path, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "keras-mmdense":
                    yield words[1:]


def parse(words):
    """Raises unless the words name a command and its options."""
    command = typer.main.get_command(app)
    context = command.context_class(command)
    while hasattr(command, "commands"):
        name, *words = words
        if name not in command.commands:
            raise ValueError(f"no command {name}")
        command = command.commands[name]
        context = command.context_class(command, parent=context, **command.context_settings)
    command.make_parser(context).parse_args(list(words))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(HOME)))
def test_commands_and_options_exist(path):
    for words in commands(path):
        parse(words)


@pytest.mark.parametrize("words", [["separat", "x"], ["separate", "x", "--outptu", "y"]])
def test_unknown_commands_and_options_are_found(words):
    with pytest.raises(Exception, match="(?i)no (command|such option)"):
        parse(words)


def test_readme_shows_commands():
    assert len(list(commands(HOME / "README.md"))) > 10


def call(folder, *words):
    done = subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"


def write_songs(place, mixture):
    for name in ("song.mp3", "song.wav", "song.flac", "endless.wav", "singles/one.mp3"):
        (place / name).parent.mkdir(exist_ok=True)
        soundfile.write(place / name, mixture[: 5 * RATE], RATE)
    for name in ("album/a.wav", "album/b.flac"):
        (place / name).parent.mkdir(exist_ok=True)
        soundfile.write(place / name, mixture[: 3 * RATE], RATE)


def write_data(place, musdb_root, stems):
    """Data sets of a few songs, and the estimates of another tool."""
    songs = sorted(musdb_root.glob("train/*.stem.mp4"))[:3]
    songs.append(musdb_root / "train" / "Actions - One Minute Smile.stem.mp4")
    for root in ("musdb18", "musdb18-7s"):
        for split in ("train", "test"):
            (place / root / split).mkdir(parents=True)
        for song in songs:
            shutil.copy(song, place / root / "train")
        shutil.copy(songs[0], place / root / "test" / "song.stem.mp4")
    more = {"keys": stems["other"], "guitar": stems["other"]}
    free = ("everythingisfree/one", "everythingisfree/two")
    for song in (*free, "band/one", "band/two", "umx/song"):
        (place / song).mkdir(parents=True)
        for name, sound in {**stems, **(more if "band" in song else {})}.items():
            soundfile.write(place / song / f"{name}.wav", sound[:300_032], RATE)
    (place / "karaoke" / "three").mkdir(parents=True)
    rest = stems["drums"] + stems["bass"] + stems["other"]
    for name, sound in {"vocals": stems["vocals"], "accompaniment": rest}.items():
        soundfile.write(place / "karaoke" / "three" / f"{name}.wav", sound[:300_032], RATE)


def write_runs(place):
    """A trained network, its file and scores of it."""
    train = ("train", "--root", "musdb18", "--target", "vocals", "--model", "tiny", *SMALL_OPTIONS)
    call(place, *train, "--output", "runs/vocals")
    call(place, "export", "tflite", "runs/vocals", "vocals.tflite")
    score = ("evaluate", "--root", "musdb18", "--split", "test", "--engine", "fast")
    for name in ("before", "after"):
        call(place, *score, "--model", "runs/vocals", "--output", f"scores/{name}")


@pytest.fixture(scope="module")
def things(tmp_path_factory, musdb_root, real_mixture, real_stems):
    """A folder with what the commands start from, under the names that documents use."""
    place = tmp_path_factory.mktemp("things")
    write_songs(place, real_mixture)
    write_data(place, musdb_root, real_stems)
    write_runs(place)
    return place


def provide(name, things, folder):
    """Copy a thing under its name, unless a command has made it before."""
    name = name.rstrip("/")
    source, target = things / name, folder / name
    if name and not name.startswith(".") and source.exists() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


def write_settings(path, name, things, folder):
    """Write the settings that a document shows, for a short run."""
    (shown,) = blocks(path, "json")
    content = {**json.loads(shown), **SMALL}
    for data in content["datasets"]:
        provide(data["root"], things, folder)
    (folder / name).write_text(json.dumps(content))


def prepare(path, words, things, folder):
    """Put what a command reads into its folder; return its words, cut short where it trains."""
    prepared = []
    for before, word in zip(["", *words[:-1]], words, strict=True):
        if before == "--config":
            write_settings(path, word, things, folder)
        elif before not in ("-o", "--output"):
            for name in word.split(","):
                provide(name, things, folder)
        prepared.append("2" if before == "--processes" else word)
    small = words[0] == "train" and "--config" not in words
    return [*prepared, *(SMALL_OPTIONS if small else [])]


def serve(folder, *words):
    """Start the server, and stop it as soon as it tells its address."""
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen([*COMMAND, *words], cwd=folder, **pipe) as server:
        assert b"http://127.0.0.1:8000/" in server.stdout.readline()
        server.terminate()


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        path
        for path in DOCUMENTS
        if path.name not in OTHERS and path.parent.name != "networks" and list(commands(path))
    ],
    ids=lambda path: str(path.relative_to(HOME)),
)
def test_documents_run(path, things, tmp_path):
    """Everything that needs no cluster, in order."""
    for words in commands(path):
        if not any("://" in word for word in words):
            words = prepare(path, words, things, tmp_path)
            (serve if words[0] == "serve" else call)(tmp_path, *words)
    for block in blocks(path, "python"):
        for name in re.findall(r'"([\w./-]+)"', block):
            provide(name, things, tmp_path)
        subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
