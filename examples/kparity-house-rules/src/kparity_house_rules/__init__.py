"""House rules for kparity: a check and a reporter."""
