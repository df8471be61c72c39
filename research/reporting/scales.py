"""The scales that a table can be run at."""

SCALES = ("cpu", "hours", "gpu", "paper")
"""From the least to the most: two cores for minutes, two cores for hours, an accelerator with a
larger model, the paper's own."""
