"""What the documentation's figures are made with."""
