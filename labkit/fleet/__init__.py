"""The simulator: the rules of `labkit.core` in virtual time, without a server or a wait."""
