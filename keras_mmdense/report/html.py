"""A report as a self-contained HTML page."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np

from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.report.excerpts import Excerpt, encode
from keras_mmdense.report.formatting import SILENCES, billions, decibels, describe, duration
from keras_mmdense.report.plots import box_plot, curve_plot, spectrogram_image
from keras_mmdense.report.published import CERTAINTY, PUBLISHED
from keras_mmdense.report.report import STEM_ORDER, Group, Report
from keras_mmdense.utils.files import replacing
from keras_mmdense.utils.palette import COLORS, INK

TEMPLATE = "report.html.j2"
Summary = dict[str, dict[str, dict[str, Any]]]


def write_html(path: str | Path, contents: Report) -> None:
    """Write a report as one HTML file, atomically.

    The page contains its figures and sounds, forbids the browser to fetch anything, and runs no
    scripts. It follows the reader's choice of a light or dark scheme.

    Args:
        path: The file; an existing one is replaced.
        contents: Result of `collect`.

    Raises:
        InputError: If the file cannot be written; nothing is left behind.
    """
    with replacing(path) as temporary:
        temporary.write_text(render(contents), "utf-8", "backslashreplace")


def render(contents: Report) -> str:
    """Render the page; names from files are escaped."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "billions": billions,
        "decibels": decibels,
        "describe": describe,
        "duration": duration,
        "gain": lambda gain: f"{-20 * math.log10(gain):.1f}",
    }
    return environment.get_template(TEMPLATE).render(
        contents=contents,
        groups=[_group(group) for group in contents.groups],
        excerpts=[_excerpt(excerpt, contents) for excerpt in contents.excerpts],
        curves=_curves(contents),
        metrics=METRICS,
        certainty=CERTAINTY,
        silences=SILENCES,
        all_published=PUBLISHED,
        published_stems=[stem for stem in STEM_ORDER if stem in PUBLISHED[0].rows[0].sdr],
    )


def _group(group: Group) -> dict[str, Any]:
    summary = group.summary()
    names = list(summary)
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)}
    same_rule_first = sorted(PUBLISHED, key=lambda table: table.rule != group.rule.name)
    return {
        "data": group.data,
        "rule": group.rule,
        "songs": group.songs,
        "stems": group.stems(),
        "summary": summary,
        "colors": colors,
        "published": same_rule_first,
        "per_stem": [_stem(group, stem, summary, colors) for stem in group.stems()],
    }


def _stem(group: Group, stem: str, summary: Summary, colors: dict[str, str]) -> dict[str, Any]:
    values = group.song_values(stem)
    columns = {name: list(songs.values()) for name, songs in values.items()}
    paint = [colors[name] for name in values]
    return {
        "name": stem,
        "rows": {name: rows[stem] for name, rows in summary.items() if stem in rows},
        "scores": values,
        "silent": group.silent(stem),
        "plot": {s: _uri("image/svg+xml", box_plot(columns, paint, s)) for s in INK},
    }


def _excerpt(excerpt: Excerpt, contents: Report) -> dict[str, Any]:
    def clip(waveform: np.ndarray) -> tuple[str, str]:
        image = spectrogram_image(waveform, excerpt.sample_rate)
        sound = encode(waveform * excerpt.gain, excerpt.sample_rate)
        return _uri("image/webp", image), _uri(*sound)

    return {
        "song": excerpt.song,
        "start": excerpt.start,
        "seconds": excerpt.seconds,
        "gain": excerpt.gain,
        "scores": contents.song_sdr(excerpt.song),
        "mixture": clip(excerpt.mixture),
        "stems": {
            stem: (clip(excerpt.references[stem]), clip(excerpt.estimates[stem]))
            for stem in excerpt.references
        },
    }


def _curves(contents: Report) -> dict[str, dict[str, str]]:
    """Plot the losses of all networks whose training is known: name -> scheme -> image."""
    curves = {one.name: one.training.curve for one in contents.networks if one.training}
    return {
        name: {scheme: _uri("image/svg+xml", curve_plot(curve, scheme)) for scheme in INK}
        for name, curve in curves.items()
        if curve
    }


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
