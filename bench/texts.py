"""Texts of the data set: sentences whose words are as unequally frequent as those of a language.

Word number n is 1/n as frequent as the first (Zipf's law), so that a search finds common words in nearly every run and
most words in very few. Everything is plain ASCII without quotes, and so its own JSON.
"""

import random
from dataclasses import dataclass
from itertools import accumulate

VOCABULARY = 60_000
SENTENCES = 40_000
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


def word(rank: int) -> str:
    """The word of this rank, 0 being the most frequent; frequent ones are short, as in a language."""
    syllables, rest = [SYLLABLES[rank % len(SYLLABLES)]], rank // len(SYLLABLES)
    while rest:
        rest, at = divmod(rest, len(SYLLABLES))
        syllables.append(SYLLABLES[at])
    return "".join(syllables) + "n" * (rank % 3 == 1)


@dataclass(frozen=True, slots=True)
class Texts:
    """A supply of sentences of 8 to 20 words, to be put together to texts of any length."""

    sentences: list[str]

    @classmethod
    def make(cls, chance: random.Random) -> "Texts":
        """The same sentences for the same seed; some 60,000 different words."""
        words = [word(rank) for rank in range(VOCABULARY)]
        weights = list(accumulate(1 / (rank + 2) for rank in range(VOCABULARY)))
        drawn = chance.choices(words, cum_weights=weights, k=SENTENCES * 14)
        sentences, at = [], 0
        while at < len(drawn) - 20:
            length = chance.randint(8, 20)
            sentences.append(" ".join(drawn[at : at + length]).capitalize() + ".")
            at += length
        return cls(sentences)

    def text(self, chance: random.Random, sentences: int) -> str:
        """That many sentences; one has some 85 characters."""
        at = int(chance.random() * (len(self.sentences) - sentences))
        return " ".join(self.sentences[at : at + sentences])
