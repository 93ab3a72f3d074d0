"""From a model's output to tokens; numpy only, never Keras."""
