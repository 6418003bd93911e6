"""Grading MATH answers by value. Most of it runs in the sandbox."""
