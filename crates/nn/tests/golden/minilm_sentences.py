"""Sentence embeddings of all-MiniLM-L6-v2 by sentence-transformers, f32 on a CPU.

    python minilm_sentences.py MODEL_FOLDER > minilm_sentences.json

Each embedding is the mean over tokens, divided by its length. Texts are this file's.
"""

import json
import sys

import sentence_transformers

SENTENCES = [
    "A sentence.",
    "The ship's trim tab turns the rudder, and the rudder turns the ship!",
    "Naïve café, 42 °C; 東京 and Москва — e-mail: someone@example.org",
    "  Spaces,\ttabs\nand new lines   are not words.  ",
    "unbelievably uncharacteristically antidisestablishmentarianism",
    " ".join(f"Part {i} of a long text that goes on about nothing in particular." for i in range(12)),
]

model = sentence_transformers.SentenceTransformer(sys.argv[1], device="cpu")
embeddings = model.encode(SENTENCES, batch_size=1)
# Nine digits give back every f32 of this size.
rows = ["[" + ",".join(f"{x:.9g}" for x in row) + "]" for row in embeddings.tolist()]
print('{"made_by": "sentence-transformers ' + sentence_transformers.__version__ + '",')
print('"sentences": ' + json.dumps(SENTENCES) + ",")
print('"embeddings": [\n' + ",\n".join(rows) + "\n]}")
