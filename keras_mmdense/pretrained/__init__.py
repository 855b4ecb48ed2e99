"""Trained networks: loading, saving, and those that ship with the package."""
