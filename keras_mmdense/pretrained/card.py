"""Render `CARD.md` from `network.json`, with the front matter that model hubs read.

    python -m keras_mmdense.pretrained.card FOLDER              renders the card of a network
    python -m keras_mmdense.pretrained.card FOLDER card.json    stores that card in it first

`card.json` holds the fields of `network_card.NetworkCard`.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from keras_mmdense.errors import InputError
from keras_mmdense.models.registry import parameters
from keras_mmdense.pretrained.catalog import CARD, DESCRIPTION, network_folder, read_card
from keras_mmdense.pretrained.network_card import (
    DataSet,
    NetworkCard,
    Provenance,
    Score,
    ScoreTable,
)
from keras_mmdense.pretrained.networks import NetworkSpec, read_description, write_description
from keras_mmdense.utils.files import replacing

USAGE = "usage: python -m keras_mmdense.pretrained.card FOLDER [CARD.json]"


def render_card(name: str, spec: NetworkSpec, card: NetworkCard, size: int) -> str:
    """Render the card of a network as Markdown.

    Args:
        name: Name of the network.
        spec: Its spec.
        card: Its card.
        size: Number of its trainable parameters.

    Returns:
        The text of `CARD.md`: YAML front matter, then description, how to use, parameters, training
        data, terms, scores and limits.
    """
    sections = {
        "How to use": _usage(name, spec),
        "Parameters": _parameters(spec, size),
        "Training data": _training(card),
        "Terms": card.terms,
        "Scores": "\n\n".join(map(_score_table, card.scores)) or "None yet.",
        "Limits": _wrap(card.limits or "Not described yet."),
    }
    parts = [_front_matter(spec, card), f"# {name}", _wrap(card.description or "No description.")]
    parts += [f"## {title}\n\n{body}" for title, body in sections.items()]
    return "\n\n".join(parts) + "\n"


def write_card(name: str | Path, card: NetworkCard | None = None) -> Path:
    """Write the `CARD.md` of a network.

    Args:
        name: A shipped network by name, or a folder that `train` or `save_model` wrote.
        card: Card to store in `network.json` first; None renders the existing one.

    Returns:
        The path of `CARD.md`.

    Raises:
        InputError: If there is no such network, or the folder cannot be written.
    """
    folder = network_folder(name)
    spec, digest = read_description(folder)
    if card is None:
        card = read_card(folder)
    else:
        write_description(folder, spec, digest, card)
    return render_to_folder(folder, spec, card, parameters(spec.build()))


def render_to_folder(folder: Path, spec: NetworkSpec, card: NetworkCard, size: int) -> Path:
    """Write `CARD.md` to a network's folder, whose name is the network's.

    Args:
        folder: Folder of the network.
        spec: The network.
        card: Its card.
        size: Number of its trainable parameters.

    Returns:
        The path of `CARD.md`.

    Raises:
        InputError: If the folder cannot be written.
    """
    text = render_card(folder.resolve().name, spec, card, size)
    with replacing(folder / CARD) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return folder / CARD


def _front_matter(spec: NetworkSpec, card: NetworkCard) -> str:
    license = [f"license: {card.license.lower()}"]
    if card.restricted:
        license = ["license: other", "license_name: research-only"]
    tags = ("music-source-separation", "audio", spec.config.family)
    lines = [*license, "library_name: keras", "pipeline_tag: audio-to-audio", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in tags), "---"])


def _usage(name: str, spec: NetworkSpec) -> str:
    return f"""\
```bash
keras-mmdense separate song.mp3 -o stems --model {name}
```

```python
import keras_mmdense
import soundfile

waveform, sample_rate = soundfile.read("song.wav", dtype="float32")
separator = keras_mmdense.Separator.from_pretrained("{name}")
stems = separator.separate(waveform, sample_rate)  # name -> (samples, channels)

model = keras_mmdense.load_model("{name}")  # the network alone, a keras.Model
```

Outside this package, give the path of the folder that holds `{DESCRIPTION}` instead of the name."""


def _parameters(spec: NetworkSpec, size: int) -> str:
    config = spec.config
    rows = {
        "network": f"`{config.name}`: {config.summary}",
        "trainable parameters": f"{size:,}",
        "stems": ", ".join(spec.targets),
        "sample rate": f"{config.sample_rate} Hz",
        "channels": spec.channels,
        "STFT / hop": f"{2 * (spec.bins - 1)} / {config.hop} samples",
        "input": f"(batch, frames, {spec.bins}, {spec.channels}), magnitude of the mixture",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {rows[key]} |" for key in rows)])


def _training(card: NetworkCard) -> str:
    parts = ["\n".join(map(_data_set, card.training_data)) or "Not described yet."]
    if card.provenance is not None:
        parts += _provenance(card.provenance)
    return "\n\n".join(parts)


def _data_set(data: DataSet) -> str:
    hours = "1 hour" if data.hours == 1 else f"{data.hours:g} hours"
    songs = "1 song" if data.songs == 1 else f"{data.songs} songs"
    facts = f"{songs}, {hours}, {data.license}"
    details = f". {data.details}" if data.details else ""
    return _fill(f"- {data.name}: {facts}{details}", "  ")


def _provenance(made: Provenance) -> Iterator[str]:
    if made.command:
        yield f"```bash\n{made.command}\n```"
    commit = f" Commit: {made.commit}." if made.commit else ""
    yield _wrap(
        f"Seed: {made.seed}.{commit} {made.software}, {made.machine}, {made.date}, "
        f"{made.minutes:g} minutes. The weights have seen {made.hours_of_audio:g} hours of audio."
    )
    if made.details:
        yield _wrap(made.details)


def _score_table(table: ScoreTable) -> str:
    systems = list(table.systems)
    stems = list(table.systems[systems[0]])
    rows = [
        [stem, *(_decibels(table.systems[system][stem]) for system in systems)] for stem in stems
    ]
    means = (sum(map(_sdr, table.systems[system].values())) / len(stems) for system in systems)
    rows.append(["mean", *(f"{mean:.2f}" for mean in means)])
    lines = [["stem", *systems], ["---"] * (1 + len(systems)), *rows]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    heading = _wrap(f"SDR in dB. {table.data}:")
    return f"{heading}\n\n{text}" + (f"\n\n```bash\n{table.command}\n```" if table.command else "")


def _sdr(score: Score) -> float:
    return score[0] if isinstance(score, tuple) else score


def _decibels(score: Score) -> str:
    if isinstance(score, tuple):
        return "{:.2f} ({:.2f} to {:.2f})".format(*score)
    return f"{score:.2f}"


def _wrap(text: str) -> str:
    return "\n\n".join(map(_fill, text.split("\n\n")))


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def main(arguments: list[str]) -> None:
    """Write the card of a network from the command line."""
    if len(arguments) not in (1, 2):
        raise InputError(USAGE)
    card = None
    if arguments[1:]:
        path = Path(arguments[1])
        try:
            card = NetworkCard.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not the card of a network: {error}") from error
    print(write_card(arguments[0], card))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
