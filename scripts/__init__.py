"""What keeps the project in shape: the map of files, its measures, the wording lint."""
