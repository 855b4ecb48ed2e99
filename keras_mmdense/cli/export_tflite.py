"""The command `export tflite`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_mmdense.cli.common import progress, quiet_startup, say, tell_terms

if TYPE_CHECKING:
    import numpy as np

CALIBRATION = 4


def tflite(
    model: Annotated[
        list[str],
        typer.Argument(
            help="A trained network: a name that `models` lists, or a folder `train` wrote; "
            "several for networks of one stem each."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(help="File to write, such as stems.tflite; the card is written next to it."),
    ],
    quantize: Annotated[
        str | None,
        typer.Option(
            help="float16 (weights), dynamic (most convolutions in 8 bits, the fastest file of "
            "--steps) or int8 (networks in 8 bits throughout). Defaults to float32."
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help=f"For int8: a data set; {CALIBRATION} of its train songs set the networks' ranges."
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length kept of a window, or of a step; 6 s of a window, 2.2 s of a step by "
            "default. Longer is faster and takes more memory."
        ),
    ] = None,
    steps: Annotated[
        bool,
        typer.Option(
            "--steps", help="Take a song in steps and remember the past: faster, less memory."
        ),
    ] = False,
    network_only: Annotated[
        bool,
        typer.Option(
            "--network-only", help="Magnitudes in and out, without STFT and Wiener filter."
        ),
    ] = False,
    resizable: Annotated[
        bool,
        typer.Option("--resizable", help="Let the interpreter resize the input; slower, larger."),
    ] = False,
) -> None:
    """Export to a TFLite file: waveform in, stems out, for phones and small machines.

    STFT and Wiener filter are included; all operators are builtins. The model card, which defines
    how windows join, is in the file's metadata and in a JSON file next to it.

    Example: keras-mmdense export tflite mdensenet_cws_4stems stems.tflite --quantize float16
    """
    from keras_mmdense.utils.imports import require

    if quantize == "int8":
        require("int8", "export", "ai_edge_litert")
    with quiet_startup():
        from keras_mmdense.exporting.tflite.export import export_tflite
    tell_terms(*model)
    with progress() as report:
        card = export_tflite(
            model,
            out,
            quantize=quantize,
            seconds=seconds,
            steps=steps,
            network_only=network_only,
            resizable=resizable,
            calibration=_mixtures(calibrate, model[0]) if calibrate else (),
            progress=report("calibration") if calibrate else None,
        )
    size, rate = out.stat().st_size, card.sample_rate
    say(
        f"{out}: {', '.join(card.stems)}; {card.precision}, {size:,} bytes; "
        + (
            f"steps of {card.window / rate:.2f} s, {card.delay / rate:.2f} s late"
            if card.delay
            else f"keeps {card.window / rate:.2f} s of a window, with {card.context / rate:.2f} s "
            "of context on either side"
        )
    )


def _mixtures(root: Path, model: str) -> list["np.ndarray"]:
    """Return the mixtures of some of a data set's train songs, for a network."""
    import numpy as np

    from keras_mmdense.data.songs import find_songs
    from keras_mmdense.errors import InputError
    from keras_mmdense.pretrained.catalog import network_folder
    from keras_mmdense.pretrained.networks import read_description

    spec, _ = read_description(network_folder(model))
    rate = spec.config.sample_rate
    songs = find_songs(root, "train")
    songs = songs[:: -(-len(songs) // CALIBRATION)]
    mixtures = []
    for song in songs:
        if song.sample_rate != rate:
            raise InputError(f"{root}: {song.name} is at {song.sample_rate} Hz, expected {rate}")
        mixtures.append(np.sum(list(song.stems().values()), axis=0))
        if mixtures[-1].shape[1] != spec.channels:
            found = mixtures[-1].shape[1]
            raise InputError(f"{root}: {song.name} has {found} channels, expected {spec.channels}")
    return mixtures
