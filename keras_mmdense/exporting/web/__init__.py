"""Export to a web page that separates in the browser."""
