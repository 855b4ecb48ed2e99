"""The demo: separation of a synthesized song, with files to hear and a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_mmdense.audio import writing
from keras_mmdense.errors import InputError
from keras_mmdense.report.plots import plot_spectrograms
from keras_mmdense.separation.separator import Separator
from keras_mmdense.stems import STEMS
from keras_mmdense.synthesis.songs import synthesize
from keras_mmdense.utils.files import replacing
from keras_mmdense.utils.progress import Progress

if TYPE_CHECKING:
    from rich.table import Table


def run(
    separator: Separator,
    folder: str | Path,
    seed: int,
    seconds: float,
    progress: Progress | None = None,
) -> dict[str, tuple[float, float]]:
    """Synthesize a song, separate it, and write stems, mixture and a figure.

    Args:
        separator: Separates the stems vocals, drums, bass and other.
        folder: Folder to write to.
        seed: Seed of the song.
        seconds: Length of the song in seconds.
        progress: Called with (samples done, total samples). Defaults to `None`.

    Returns:
        SDR in dB of the mixture and of the separated stem, by stem.
    """
    if set(separator.stems) != set(STEMS):
        raise InputError(
            f"the demo requires a network of four stems, received {list(separator.stems)}"
        )
    folder, sample_rate = Path(folder), separator.sample_rate
    truth = synthesize(seed, seconds, sample_rate)
    mixture = np.sum(list(truth.values()), axis=0)
    stems = separator.separate(mixture, sample_rate, progress)
    for name, stem in stems.items():
        writing.write(folder / f"{name}.wav", stem, sample_rate)
    with replacing(folder / "mixture.flac") as partial:
        writing.write_whole(partial, mixture, sample_rate, "PCM_24", "FLAC")
    plot_spectrograms(folder / "demo.png", mixture, truth, stems, sample_rate)
    return {name: (sdr(truth[name], mixture), sdr(truth[name], stems[name])) for name in stems}


def sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Compute the signal-to-distortion ratio in dB, of reference to error."""
    error = np.sum((reference - estimate).astype("float64") ** 2)
    return float(10 * np.log10(np.sum(reference.astype("float64") ** 2) / error))


def gains_table(gains: dict[str, tuple[float, float]]) -> "Table":
    """Format the result of `run` as a rich table.

    Args:
        gains: Result of `run`.

    Returns:
        The table, with the mean over stems.
    """
    from rich.table import Table

    table = Table(title="SDR of the demo song in dB")
    table.add_column("stem")
    for column in ("mixture", "separated", "gained"):
        table.add_column(column, justify="right")
    mean = np.mean(list(gains.values()), axis=0)
    for name, (before, after) in {**gains, "mean": mean}.items():
        table.add_row(name, f"{before:.2f}", f"{after:.2f}", f"{after - before:+.2f}")
    return table
