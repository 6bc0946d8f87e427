"""Large sets over HTTP: jobs that are kept in a file and go on after a stop or a kill (docs/jobs.md)."""
