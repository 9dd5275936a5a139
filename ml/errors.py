"""What models refuse."""

from lake.errors import PermanentFailure


class TooLittleData(PermanentFailure):
    """There is not enough yet to learn from: no error of a young shop, which goes without the model."""
