"""Settings of the property tests of the rules."""

from hypothesis import settings

# A busy machine must not fail a rule that is right: time limits belong to the benchmarks.
settings.register_profile("rules", deadline=None)
settings.load_profile("rules")
