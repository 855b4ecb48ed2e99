"""Figures of scores, spectrograms and loss curves, as files and for pages."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mmdense.evaluation.protocols import METRICS, Rule, find_rule
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.report.formatting import literal
from keras_mmdense.utils.files import replacing
from keras_mmdense.utils.palette import COLORS, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure


def plot_scores(
    results: Mapping[str, Sequence[SongScores]],
    path: str | Path,
    metric: str = "SDR",
    rule: Rule | str = "museval",
) -> None:
    """Draw box plots of the songs' scores by stem to a PNG file, with a color per system.

    A box spans the quartiles of the songs' scores by the rule, its line is their median, and dots
    are songs. Songs without a finite score are omitted.

    Args:
        results: System -> scores, as `evaluate_songs` returned them.
        path: The PNG file, written atomically.
        metric: One of `METRICS`, in dB. Defaults to `"SDR"`.
        rule: Rule of the songs' scores. Defaults to `"museval"`.

    Raises:
        ValueError: If the metric or the rule is unknown.
        InputError: If the file cannot be written; nothing is left behind.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if metric not in METRICS:
        raise ValueError(f"unknown metric {metric!r}; choices: {', '.join(METRICS)}")
    rule = find_rule(rule)
    values = _values(results, metric, rule)
    stems = list(dict.fromkeys(stem for system in values.values() for stem in system))
    figure = Figure(figsize=(max(6.0, 2.2 * len(stems)), 4.5), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / max(1, len(values))
    legend = []
    for index, (system, scores) in enumerate(values.items()):
        color = COLORS[index % len(COLORS)]
        legend.append(Patch(facecolor=color, alpha=0.6, label=literal(system)))
        center = np.arange(len(stems)) + (index - (len(values) - 1) / 2) * width
        _draw_boxes(axes, [scores.get(stem, []) for stem in stems], center, 0.85 * width, color)
    axes.set_xticks(np.arange(len(stems)), [literal(stem) for stem in stems])
    axes.set_xlim(-0.5, max(1, len(stems)) - 0.5)
    axes.set_ylabel(f"{metric} (dB)")
    axes.set_title(f"{metric} of each song ({rule.over_frames} over frames)")
    axes.grid(axis="y", alpha=0.3)
    if legend:
        figure.legend(handles=legend, loc="outside lower center", ncols=min(4, len(legend)))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def _values(
    results: Mapping[str, Sequence[SongScores]], metric: str, rule: Rule
) -> dict[str, dict[str, list[float]]]:
    """Collect finite scores by system and stem, one per song."""
    values: dict[str, dict[str, list[float]]] = {}
    for system, songs in results.items():
        stems = values.setdefault(system, {})
        for song in songs:
            for stem, values_of_song in song.by_rule(rule).items():
                scores = stems.setdefault(stem, [])
                if np.isfinite(values_of_song[metric]):
                    scores.append(values_of_song[metric])
    return values


def _draw_boxes(
    axes: Axes, columns: Sequence[Sequence[float]], center: np.ndarray, width: float, color: str
) -> None:
    boxes = axes.boxplot(
        columns,
        positions=center,
        widths=width,
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
        medianprops={"color": "black"},
    )
    for box in boxes["boxes"]:
        box.set(facecolor=color, alpha=0.6)
    for position, column in zip(center, columns, strict=True):
        spread = np.linspace(-0.2, 0.2, len(column)) * width if len(column) > 1 else 0.0
        axes.scatter(np.full(len(column), position) + spread, column, s=6, color="black", zorder=3)


def plot_spectrograms(
    path: str | Path,
    mixture: np.ndarray,
    references: Mapping[str, np.ndarray],
    estimates: Mapping[str, np.ndarray],
    sample_rate: int,
) -> None:
    """Draw the spectrograms of a mixture, its stems and their estimates to a PNG file.

    Args:
        path: The PNG file, written atomically.
        mixture: Waveform (samples, channels).
        references: Stem -> waveform (samples, channels), the left column.
        estimates: Stem -> waveform (samples, channels), the right column.
        sample_rate: Rate in Hz.
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


def _draw_spectrogram(axes: Axes, waveform: np.ndarray, sample_rate: int, title: str) -> QuadMesh:
    from scipy.signal import spectrogram

    mono = np.asarray(waveform).mean(axis=1)
    frequencies, times, power = spectrogram(mono, sample_rate, nperseg=2048, scaling="spectrum")
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    axes.set(title=title, ylabel="frequency (kHz)", yscale="symlog", ylim=(0, sample_rate / 2000))
    axes.set_yticks([0, 0.5, 1, 2, 5, 10, 20], ["0", "0.5", "1", "2", "5", "10", "20"])
    return axes.pcolormesh(
        times, frequencies / 1000, decibels, vmin=-90, vmax=-20, cmap="magma", rasterized=True
    )


def box_plot(values: Mapping[str, Sequence[float]], colors: Sequence[str], scheme: str) -> bytes:
    """Draw the scores of a stem for a page: a box per system, a dot per song.

    Args:
        values: System -> the songs' scores in dB; those that are not finite are omitted.
        colors: A color per system.
        scheme: "light" or "dark", the background of the page.

    Returns:
        An SVG file.
    """
    from matplotlib.figure import Figure

    columns = [[value for value in scores if np.isfinite(value)] for scores in values.values()]
    figure = Figure(figsize=(4.4, 0.7 + 0.42 * len(columns)), layout="constrained")
    axes = figure.add_subplot()
    for place, (column, color) in enumerate(zip(columns, colors, strict=True)):
        _draw_box(axes, column, place, color, INK[scheme])
    axes.set_yticks(range(len(columns)), [literal(textwrap.fill(name, 20)) for name in values])
    axes.set_ylim(len(columns) - 0.45, -0.55)
    axes.set_xlabel("SDR (dB)")
    axes.grid(axis="x", alpha=0.25, color=INK[scheme])
    return _svg(figure, axes, scheme)


def _draw_box(axes: Axes, column: Sequence[float], place: int, color: str, ink: str) -> None:
    line = {"color": color, "linewidth": 1.5}
    axes.boxplot(
        [column],
        positions=[place],
        widths=0.55,
        orientation="horizontal",
        patch_artist=True,
        showfliers=False,
        manage_ticks=False,
        boxprops={"facecolor": color + "40", "edgecolor": color, "linewidth": 1.5},
        medianprops={"color": ink, "linewidth": 2.5},
        whiskerprops=line,
        capprops=line,
    )
    spread = np.linspace(-0.16, 0.16, len(column)) if len(column) > 1 else np.zeros(len(column))
    axes.scatter(column, place + spread, s=10, color=ink, alpha=0.55, zorder=3)


def curve_plot(curve: Sequence[Mapping[str, float]], scheme: str) -> bytes:
    """Draw the losses of a training run for a page.

    Args:
        curve: One row per epoch, with `audio_seconds`, `loss` and `val_loss`.
        scheme: "light" or "dark".

    Returns:
        An SVG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 2.4), layout="constrained")
    axes = figure.add_subplot()
    for key, label, color in (
        ("loss", "training", COLORS[0]),
        ("val_loss", "validation", COLORS[1]),
    ):
        rows = [row for row in curve if key in row]
        minutes = [row["audio_seconds"] / 60 for row in rows]
        line = [row[key] for row in rows]
        axes.plot(minutes, line, marker="o", markersize=4, color=color, label=label)
    axes.set_xlabel("audio seen (minutes)")
    axes.set_ylabel("loss")
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)
    axes.grid(alpha=0.25, color=INK[scheme])
    axes.legend(frameon=False, labelcolor=INK[scheme], fontsize=9)
    return _svg(figure, axes, scheme)


def _svg(figure: Figure, axes: Axes, scheme: str) -> bytes:
    """Save a figure as SVG with a transparent background and text in the color of the scheme."""
    axes.tick_params(colors=INK[scheme], length=0, labelsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK[scheme], fontsize=9)
    axes.spines[:].set_visible(False)
    axes.set_facecolor("none")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def spectrogram_image(waveform: np.ndarray, sample_rate: int) -> bytes:
    """Draw a spectrogram for a page with ticks inside; all images have the same dB range.

    Args:
        waveform: (samples, channels).
        sample_rate: Rate in Hz.

    Returns:
        A WebP file of 720 by 360 pixels.
    """
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    figure = Figure(figsize=(3.6, 1.8), dpi=200)
    axes = figure.add_axes((0, 0, 1, 1))
    _draw_spectrogram(axes, waveform, sample_rate, "")
    axes.set_ylabel("")
    axes.set_axis_off()
    seconds = len(waveform) / sample_rate
    outline = [withStroke(linewidth=1.5, foreground="black")]
    text: dict[str, Any] = {"color": "white", "fontsize": 7, "path_effects": outline}
    for kilohertz in (0.5, 1, 2, 5, 10):
        if kilohertz < 0.8 * sample_rate / 2000:
            axes.text(0.008 * seconds, kilohertz, f"{kilohertz:g} kHz", va="center", **text)
    for second in range(1, int(np.ceil(seconds))):
        axes.text(second, 0.04, f"{second} s", ha="center", **text)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp", pil_kwargs={"quality": 80})
    return buffer.getvalue()
