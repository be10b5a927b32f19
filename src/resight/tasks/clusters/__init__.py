"""Group images by whom they show, where nobody has said who that is."""
