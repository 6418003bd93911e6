"""Three roles in one folder: spec, checks, export, opening."""
