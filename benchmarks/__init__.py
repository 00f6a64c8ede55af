"""Scripts whose tables stand in the README and in the model's card; no part of the application."""
