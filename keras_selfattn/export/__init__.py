"""From a task to one file for a device, and the checks of such a file."""
