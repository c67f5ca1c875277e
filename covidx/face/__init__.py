"""What ``import covidx`` offers: read, load, predict, heatmaps, train, compare, a run's results.

Each is loaded when it is asked for: importing covidx loads no library.
"""
