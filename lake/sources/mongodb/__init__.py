"""MongoDB: documents by snapshot, changes from change streams."""
