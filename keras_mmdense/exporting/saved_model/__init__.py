"""Export to a SavedModel."""
