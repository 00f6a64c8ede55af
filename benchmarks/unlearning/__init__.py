"""Unlearning methods against each other: four tasks, every method, attacks, cost, nights, gate."""
