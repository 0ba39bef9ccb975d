"""Where what happens in an environment is written: log lines, in AWS's form."""
