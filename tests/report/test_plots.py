"""Figures for pages: they show the numbers they are given, on a light and a dark ground."""

import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from keras_mmdense.report.plots import box_plot, curve_plot, spectrogram_image
from keras_mmdense.utils.palette import COLORS, INK


def luminance(color):
    """Relative luminance of "#rrggbb" as WCAG 2 defines it."""
    parts = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_of_figures_can_be_read_on_both_grounds():
    for scheme, ground in (("light", "#ffffff"), ("dark", "#191d23")):
        assert contrast(INK[scheme], ground) > 7


def test_systems_have_colors_of_their_own():
    assert len(set(COLORS)) == len(COLORS) == 8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_box_plot_draws_a_dot_a_song_in_its_place(scheme):
    values = {"net": [1.0, 2.0, 4.0, np.nan], "mixture": [-3.0], "none": []}
    svg = box_plot(values, COLORS[:3], scheme).decode()
    dots = re.findall(r'<g id="PathCollection_\d+">(.*?)</g>\n {3}</g>', svg, re.S)
    places = [
        [tuple(map(float, at)) for at in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', group)]
        for group in dots
    ]
    assert [len(group) for group in places] == [3, 1]
    x = np.array([x for x, _ in [*places[1], *places[0]]])
    np.testing.assert_allclose((x - x[0]) / (x[1] - x[0]) * 4, [0, 4, 5, 7], atol=1e-3)
    assert max(y for _, y in places[0]) < places[1][0][1]
    for color in (INK[scheme], COLORS[0]):
        assert color.lower() in svg.lower()
    assert "<dc:date>" not in svg


def test_curve_plot_takes_epochs_without_validation():
    rows = [{"audio_seconds": 60 * epoch, "loss": 3.0 - epoch} for epoch in (1, 2)]
    rows.append({"audio_seconds": 180, "loss": 0.5, "val_loss": 1.0})
    svg = curve_plot(rows, "light").decode()
    lines = re.findall(r'<path d="(M [^"]*)"[^>]*stroke: (#[0-9a-f]{6})', svg)
    training = [path for path, color in lines if color == COLORS[0].lower()]
    assert any(len(re.findall("[ML]", path)) == 3 for path in training)


def test_spectrogram_shows_a_tone_where_it_is():
    """1 kHz sounds in the first half only: one bright line at its height, then black."""
    rate = 44100
    time = np.arange(4 * rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time) * (time < 2)
    image = imread(io.BytesIO(spectrogram_image(np.stack([tone, tone], 1), rate)), format="webp")
    assert image.shape[:2] == (360, 720)
    bright = image[..., :3].astype(float).mean(-1) / 255
    column = bright[:, 200:330].mean(1)
    line = int(np.argmax(column))
    # The axis is linear up to 2 kHz and logarithmic above.
    low, high = (int(np.argmax(_line(rate, hz))) for hz in (500, 1500))
    assert high < line < low and line == pytest.approx((low + high) / 2, abs=3)
    assert column[line] > 0.5 and np.median(bright[:300, 400:700]) < 0.02


def _line(rate, hertz):
    time = np.arange(2 * rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * hertz * time)[:, None]
    image = imread(io.BytesIO(spectrogram_image(tone, rate)), format="webp")
    return image[:, 200:330, :3].astype(float).mean((1, 2))
