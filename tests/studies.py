"""Tests that take long and are no part of `make test`: `make study` runs them, at full size."""

import os

import pytest

STUDY = "STUDY" in os.environ
study = pytest.mark.skipif(not STUDY, reason="a longer study: make study")
