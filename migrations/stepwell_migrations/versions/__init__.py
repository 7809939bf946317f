"""One module for each revision, in order; never edited after its release."""
