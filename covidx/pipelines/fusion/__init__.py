"""P3: image and clinical data of the same patients, fused."""
