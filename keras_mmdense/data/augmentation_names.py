"""Names of the steps of `augmentation`, without importing numpy."""

PAPER = ("chunks", "swap", "gain", "remix")
AUGMENTATIONS = (*PAPER, "active", "resample", "double", "polarity", "eq", "level")
