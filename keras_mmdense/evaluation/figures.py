"""Figures of scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_mmdense.evaluation.scores import METRICS, SongScores
from keras_mmdense.files import replacing

# Okabe and Ito's palette, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")


def plot_scores(
    results: Mapping[str, Sequence[SongScores]],
    path: str | os.PathLike[str],
    metric: str = "SDR",
) -> None:
    """Draws box plots of the songs' scores by stem, one colour a system, to a PNG file.

    A box spans the quartiles of the songs' medians over frames, its line is their median, dots
    are songs. Songs without a finite score are not drawn.

    Args:
        results: system -> scores, as `evaluate_songs` gives them.
        path: the PNG file, written atomically.
        metric: one of `METRICS`, in dB.

    Raises:
        ValueError: unknown metric.
        OSError: the file cannot be written; nothing is left behind.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; choices: {', '.join(METRICS)}")
    values = _values(results, metric)
    stems = list(dict.fromkeys(stem for system in values.values() for stem in system))
    figure = Figure(figsize=(max(6.0, 2.2 * len(stems)), 4.5), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / max(1, len(values))
    legend = []
    for index, (system, scores) in enumerate(values.items()):
        colour = COLOURS[index % len(COLOURS)]
        legend.append(Patch(facecolor=colour, alpha=0.6, label=system))
        centre = np.arange(len(stems)) + (index - (len(values) - 1) / 2) * width
        _draw_boxes(axes, [scores.get(stem, []) for stem in stems], centre, 0.85 * width, colour)
    axes.set_xticks(np.arange(len(stems)), stems)
    axes.set_xlim(-0.5, max(1, len(stems)) - 0.5)
    axes.set_ylabel(f"{metric} (dB)")
    axes.set_title(f"{metric} of each song (median over frames)")
    axes.grid(axis="y", alpha=0.3)
    if legend:
        figure.legend(handles=legend, loc="outside lower center", ncols=min(4, len(legend)))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _values(
    results: Mapping[str, Sequence[SongScores]], metric: str
) -> dict[str, dict[str, list[float]]]:
    """Finite scores by system and stem, one a song."""
    values: dict[str, dict[str, list[float]]] = {}
    for system, songs in results.items():
        stems = values.setdefault(system, {})
        for song in songs:
            for stem, medians in song.medians().items():
                scores = stems.setdefault(stem, [])
                if np.isfinite(medians[metric]):
                    scores.append(medians[metric])
    return values


def _draw_boxes(axes, columns, centre: np.ndarray, width: float, colour: str) -> None:
    boxes = axes.boxplot(
        columns,
        positions=centre,
        widths=width,
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "black"},
    )
    for box in boxes["boxes"]:
        box.set(facecolor=colour, alpha=0.6)
    for position, column in zip(centre, columns, strict=True):
        spread = np.linspace(-0.2, 0.2, len(column)) * width if len(column) > 1 else 0.0
        axes.scatter(np.full(len(column), position) + spread, column, s=6, color="black", zorder=3)


def plot_spectrograms(
    path: str | os.PathLike[str],
    mixture: np.ndarray,
    references: Mapping[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    sample_rate: int,
) -> None:
    """Draws the spectrograms of a mixture, its stems and their estimates, to a PNG file.

    Args:
        path: the PNG file, written atomically.
        mixture: waveform (samples, channels).
        references: stem -> waveform (samples, channels), the left column.
        estimates: stem -> waveform (samples, channels), the right column.
        sample_rate: rate in Hz.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 11), layout="constrained")
    grid = figure.add_gridspec(len(references) + 1, 2)
    axes = [figure.add_subplot(grid[0, :])]
    image = _draw_spectrogram(axes[0], mixture, sample_rate, "mixture")
    for row, (stem, reference) in enumerate(references.items(), 1):
        pairs = ((f"{stem}, true", reference), (f"{stem}, separated", estimates[stem]))
        for column, (title, waveform) in enumerate(pairs):
            axes.append(figure.add_subplot(grid[row, column]))
            _draw_spectrogram(axes[-1], waveform, sample_rate, title)
    axes[-1].set_xlabel("time (s)")
    axes[-2].set_xlabel("time (s)")
    figure.colorbar(image, ax=axes, label="magnitude (dB)", shrink=0.4)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_spectrogram(axes, waveform, sample_rate, title):
    from scipy.signal import spectrogram

    mono = np.asarray(waveform).mean(axis=1)
    frequencies, times, power = spectrogram(mono, sample_rate, nperseg=2048, scaling="spectrum")
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    axes.set(title=title, ylabel="frequency (kHz)", yscale="symlog", ylim=(0, sample_rate / 2000))
    axes.set_yticks([0, 0.5, 1, 2, 5, 10, 20], ["0", "0.5", "1", "2", "5", "10", "20"])
    return axes.pcolormesh(
        times, frequencies / 1000, decibels, vmin=-90, vmax=-20, cmap="magma", rasterized=True
    )
