"""Figures of the running system, each from real processes started by their command lines: ``make bench``."""
