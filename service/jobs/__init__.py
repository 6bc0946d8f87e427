"""Large sets over HTTP: jobs that are kept in a file and go on after whatever happens (docs/jobs.md)."""
