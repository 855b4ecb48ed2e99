"""Analysis of networks: costs and filter norms."""
