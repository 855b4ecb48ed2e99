"""Names of the steps of `augmentation`, without importing numpy."""

PAPER = ("chunks", "swap", "gain", "remix")
MORE = ("active", "resample", "double", "polarity", "eq", "level", "together")
AUGMENTATIONS = (*PAPER, *MORE)
