"""Scoring: live episodes, answers, reports. Imports neither train nor torch."""
