// Checks that what is refused changes nothing: check MODEL.tflite. Prints each
// message; a line "ok" at the end.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recognizer.h"

static int wrong;

static void expect(bool good, const char *what) {
  if (!good) {
    printf("WRONG: %s\n", what);
    wrong = 1;
  }
}

static void expect_refusal(bool taken, struct failure *failure,
                           const char *what) {
  printf("%s: %s\n", what, taken ? "(taken)" : failure->message);
  expect(!taken && strlen(failure->message) > 20, what);
  failure->message[0] = 0;
}

static void fill(float *samples, size_t count, unsigned seed) {
  for (size_t i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    samples[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
  }
}

// Log-probabilities of three chunks, with bad input between them or not.
static float *run(struct recognizer *recognizer, float *samples,
                  bool is_disturbed) {
  struct failure failure = {""};
  size_t size = recognizer->chunk_samples;
  size_t row = recognizer->chunk_frames * recognizer->vocabulary_size;
  float *found = claim(3 * row, sizeof *found);
  recognizer_reset(recognizer);
  for (unsigned chunk = 0; chunk < 3; chunk++) {
    fill(samples, size, chunk);
    if (is_disturbed) {
      float kept = samples[7];
      expect_refusal(recognizer_step(recognizer, samples, size + 1, &failure),
                     &failure, "a chunk too long");
      expect_refusal(recognizer_step(recognizer, samples, 0, &failure),
                     &failure, "an empty chunk");
      samples[7] = NAN;
      expect_refusal(recognizer_step(recognizer, samples, size, &failure),
                     &failure, "NaN");
      samples[7] = -INFINITY;
      expect_refusal(recognizer_step(recognizer, samples, size, &failure),
                     &failure, "infinity");
      samples[7] = kept;
      struct state *state = &recognizer->states[0];
      float *other = claim(state->count + 1, sizeof *other);
      expect_refusal(
          recognizer_set_state(recognizer, state->name, other,
                               4 * (state->count + 1), &failure),
          &failure, "a state of another size");
      expect_refusal(recognizer_set_state(recognizer, "another", other, 4,
                                          &failure),
                     &failure, "a state of another name");
      for (size_t i = 0; i < recognizer->num_states; i++) {
        if (!recognizer->states[i].is_int) state = &recognizer->states[i];
      }
      free(other);
      other = claim(state->count, sizeof *other);
      other[0] = NAN;
      expect_refusal(recognizer_set_state(recognizer, state->name, other,
                                          4 * state->count, &failure),
                     &failure, "a state with NaN");
      free(other);
    }
    expect(recognizer_step(recognizer, samples, size, &failure), "a chunk");
    memcpy(found + chunk * row, recognizer->log_probabilities, 4 * row);
  }
  return found;
}

int main(int count, char **arguments) {
  struct failure failure = {""};
  struct recognizer recognizer;
  if (count != 2) return 2;
  expect_refusal(recognizer_open(&recognizer, "no-such.tflite", &failure),
                 &failure, "no file");
  expect_refusal(recognizer_open(&recognizer, arguments[0], &failure),
                 &failure, "no model");
  if (!recognizer_open(&recognizer, arguments[1], &failure)) {
    printf("%s\n", failure.message);
    return 1;
  }
  float *samples = claim(recognizer.chunk_samples + 1, sizeof *samples);
  float *quiet = run(&recognizer, samples, false);
  float *disturbed = run(&recognizer, samples, true);
  size_t row = recognizer.chunk_frames * recognizer.vocabulary_size;
  expect(!memcmp(quiet, disturbed, 4 * 3 * row), "the stream goes on");
  expect(recognizer_step(&recognizer, samples, 1, &failure) &&
             recognizer.frames == 1, "a chunk of one sample");
  free(quiet);
  free(disturbed);
  free(samples);
  recognizer_close(&recognizer);
  if (!wrong) printf("ok\n");
  return wrong;
}
