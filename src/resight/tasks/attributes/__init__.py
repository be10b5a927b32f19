"""Recognise attributes: gender, sleeves, bags, colours, age."""
