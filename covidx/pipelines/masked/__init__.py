"""What trainings on true masks share: their cohort, working grid and tables."""
