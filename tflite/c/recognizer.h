// A .tflite file that turns chunks of samples and states into tokens.
#ifndef RECOGNIZER_H
#define RECOGNIZER_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"

struct state {
  const char *name;  // without "state_"
  bool is_int;       // int32; else float32
  size_t count;      // values, of 4 bytes each
  void *values;
};

struct recognizer {
  struct json *metadata;
  long sampling_rate_hz;
  size_t chunk_samples, chunk_frames, vocabulary_size;
  size_t num_states;
  struct state *states;
  // Of the last step: frames that mean something, and what they hold.
  size_t frames;
  int32_t *token_ids;        // (chunk_frames)
  float *log_probabilities;  // (chunk_frames, vocabulary_size)
  struct session *session;   // LiteRT
};

bool recognizer_open(struct recognizer *recognizer, const char *path,
                     struct failure *failure);
void recognizer_close(struct recognizer *recognizer);

// Begins a new stream: states of zeros.
void recognizer_reset(struct recognizer *recognizer);
// Goes on from another state; `bytes` are those of `values`. What is refused
// changes nothing.
bool recognizer_set_state(struct recognizer *recognizer, const char *name,
                          const void *values, size_t bytes,
                          struct failure *failure);
// Runs a chunk; only the last of a stream may have fewer than chunk_samples.
// What is refused changes nothing: the stream goes on.
bool recognizer_step(struct recognizer *recognizer, const float *samples,
                     size_t count, struct failure *failure);

#endif
