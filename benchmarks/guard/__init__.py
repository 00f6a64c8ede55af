"""What the guard finds and what it costs, beside its peers, on labelled data."""
