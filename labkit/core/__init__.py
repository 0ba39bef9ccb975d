"""The rules of AWS Lambda, pure: no input or output, no threads, no reading of a clock."""
