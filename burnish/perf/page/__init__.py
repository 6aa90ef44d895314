"""The report as a page: plots in SVG, no script from elsewhere."""
