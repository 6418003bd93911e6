"""The paper's comparison as one command: a table names the runs, a report says what came out."""
