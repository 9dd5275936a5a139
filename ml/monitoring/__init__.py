"""Whether models may still be trusted: drift of what they are asked and of what they say, and what came true."""
