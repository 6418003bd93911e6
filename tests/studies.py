"""Mark long tests that only `make study` runs, at full size; `make test` skips them."""

import os

import pytest

STUDY = "STUDY" in os.environ
study = pytest.mark.skipif(not STUDY, reason="long: make study runs it")
