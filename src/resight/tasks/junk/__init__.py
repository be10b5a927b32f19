"""Find images that show nobody well, and have a person look at them."""
