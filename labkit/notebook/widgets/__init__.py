"""Widgets: one class and one ES module in `static/` each."""
