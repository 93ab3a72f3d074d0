"""Audio, transcripts and tokenizers; numpy only, never Keras."""
