"""Colors of all figures."""

from __future__ import annotations

# Okabe and Ito's palette, told apart by color-blind readers too.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
# Text and lines of figures for pages, on a light and on a dark ground.
INK = {"light": "#3d444d", "dark": "#c3c8cf"}
