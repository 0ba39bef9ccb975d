"""Grading a class: each hand-in runs by itself, under limits, and costs nobody else anything.

What is graded is the pristine lab with the sources of a learner's exercise cells in it. The
learner's code runs in the same kernel as the checks, so a grade says what was handed in; it is no
proof against somebody who sets out to cheat. That is why the page shows each cell.
"""
