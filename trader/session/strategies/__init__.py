"""The strategies that come with the house: small, exact, and examples to copy."""
