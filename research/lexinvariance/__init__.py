"""What lexinvariant models are trained and tested on (arXiv 2305.16349)."""
