"""P1: an image classifier, of CT or radiographs."""
