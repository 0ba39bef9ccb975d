"""`pytest --nbval labs/NN_topic.ipynb` checks a lab and needs no other flag."""

from labkit.classroom.nbval_plugin import pytest_collect_file, pytest_configure

__all__ = ["pytest_collect_file", "pytest_configure"]
