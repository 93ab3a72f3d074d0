"""Training: schedules, exact checkpoints, logs, curves."""
