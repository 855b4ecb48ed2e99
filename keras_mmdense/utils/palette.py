"""Colors of all figures."""

from __future__ import annotations

# Okabe and Ito's palette, which color-blind readers can distinguish.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
# Text and lines of figures for pages, on a light and a dark background.
INK = {"light": "#3d444d", "dark": "#c3c8cf"}
