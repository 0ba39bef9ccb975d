"""The only rooms that know the inside of moto, one module for each service."""
