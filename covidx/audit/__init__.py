"""Audits: what is wrong with data, models and runs, found before a reviewer finds it.

Each audit imports what it needs alone: `covidx.audit.data` needs no network library.
"""
