"""P2: a classifier of clinical rows."""
