"""What tests share: small data, small recipes, brute-force definitions."""
