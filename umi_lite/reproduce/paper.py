"""What the paper printed (arXiv 2401.07324, Table 1): static evaluation on ToolBench.

Plan ACC / Act. EM / Hallu. / Arg. F1 / R-L, in percent. Its figures for GSM8K and MATH, its
data-scaling and training curves and its costs are not quoted: they are not known here.
"""

METRICS = ("Plan ACC", "Act. EM", "Hallu.", "Arg. F1", "R-L")
# By size and split, then variant.
TABLE_1: dict[str, dict[str, tuple[float, ...]]] = {
    "7B, in-domain": {
        "single": (81.92, 53.26, 2.32, 45.57, 42.66),
        "one-stage": (87.52, 45.11, 7.71, 38.02, 41.01),
        "multi-task": (85.06, 51.83, 2.96, 44.25, 27.40),
        "glpft-no-reuse": (88.24, 55.50, 0.53, 48.97, 39.98),
        "glpft": (88.92, 58.94, 0.57, 52.24, 43.17),
    },
    "7B, out-of-domain": {
        "single": (84.61, 56.54, 2.26, 50.09, 47.99),
        "one-stage": (88.42, 53.40, 2.52, 45.79, 46.39),
        "multi-task": (86.55, 56.89, 2.77, 49.50, 32.58),
        "glpft-no-reuse": (87.91, 58.02, 2.32, 50.55, 42.59),
        "glpft": (89.72, 60.47, 0.45, 53.60, 46.26),
    },
    "13B, in-domain": {
        "single": (81.01, 59.67, 1.53, 52.35, 42.16),
        "one-stage": (86.49, 50.54, 5.11, 41.96, 36.21),
        "multi-task": (86.36, 58.96, 2.00, 49.28, 28.41),
        "glpft-no-reuse": (86.33, 60.07, 0.39, 53.11, 35.09),
        "glpft": (87.87, 63.03, 0.37, 57.65, 43.46),
    },
    "13B, out-of-domain": {
        "single": (86.74, 60.04, 2.03, 52.94, 48.46),
        "one-stage": (87.45, 56.71, 3.23, 47.49, 41.62),
        "multi-task": (86.64, 62.78, 3.42, 53.29, 35.46),
        "glpft-no-reuse": (87.75, 61.63, 2.95, 52.54, 37.70),
        "glpft": (88.73, 64.21, 0.24, 57.38, 42.50),
    },
}
