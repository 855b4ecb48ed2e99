"""Names of the steps of `augmentation`, for those who need no numpy: the command line's help."""

PAPER = ("chunks", "swap", "gain", "remix")
AUGMENTATIONS = (*PAPER, "active", "resample", "double", "polarity", "eq")
