"""Tools for the project itself: the map of files, the size limits, the wording lint."""
