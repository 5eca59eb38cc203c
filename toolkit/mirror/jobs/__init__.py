"""Jobs: what a job file says; which images it means, and when it may run."""
