"""What makes files about the package that are not in it."""
