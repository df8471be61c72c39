"""One module for each table or figure of arXiv 2305.16349, and what they are built from."""
