"""The life of a model in MLflow: runs, registered versions, which of them is the champion, and how it became that."""
