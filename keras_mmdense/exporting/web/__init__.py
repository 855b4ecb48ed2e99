"""Export to a page that separates in the browser."""
