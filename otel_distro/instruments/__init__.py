"""What a person calls to measure: the instruments of the catalogue."""
