"""A client of the service over HTTP: the calls of a loaded model, streamed, resumed and checked."""
