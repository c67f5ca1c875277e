"""Readers' severity scores of radiographs."""
