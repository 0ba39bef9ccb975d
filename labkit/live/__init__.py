"""The running Lambda: a server process."""
