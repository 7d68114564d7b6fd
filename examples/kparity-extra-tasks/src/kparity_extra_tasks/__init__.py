"""Tasks of signal processing for kparity."""
