"""Champions over HTTP, by MLflow's own protocol, without Java."""
