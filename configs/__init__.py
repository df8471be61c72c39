"""One module per table: configs/<paper>/<table>.py with cpu(), gpu(), paper() and quick()."""

# What `freevocab reproduce` runs when no table is named.
MAIN_TABLES = {
    "compressed_text": ("main_results",),
}
